//! The tables about metrics and alerts in the guide's chapter on operating match the instruments and the alert rules.
//! `operating.rs` checks its tables about requests and permissions.

use std::collections::BTreeMap;

use s3store::testing::instruments;

const OPERATING: &str = include_str!("../../s3store/src/guide/operating.md");
const ALERTS: &str = include_str!("../../s3store/dashboards/alerts.yaml");

/// Returns the lines between a heading of the chapter and the next heading.
pub fn section(heading: &str) -> impl Iterator<Item = &'static str> {
    let from = OPERATING.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    OPERATING[from + 1 + heading.len()..].lines().take_while(|line| !line.starts_with("##"))
}

#[test]
fn the_guide_lists_every_instrument() {
    let text = section("## Metrics").collect::<Vec<_>>().join("\n");
    for instrument in instruments() {
        let name = instrument.name.strip_prefix("s3store.").unwrap();
        assert!(text.contains(&format!("`{name}`")), "the guide does not list {}", instrument.name);
    }
}

#[test]
fn the_guide_lists_every_alert_with_its_severity() {
    let documented: BTreeMap<&str, &str> = section("## Alerts")
        .filter_map(|line| line.strip_prefix("| `S3Store").map(|_| line))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            (cells.next().unwrap().trim_matches('`'), cells.next().unwrap())
        })
        .collect();
    let mut rules = BTreeMap::new();
    let mut current = "";
    for line in ALERTS.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            current = name;
        } else if let Some((_, severity)) = line.split_once("severity: ") {
            rules.insert(current, severity.trim_end_matches([' ', '}']));
        }
    }
    assert_eq!(documented, rules);
}
