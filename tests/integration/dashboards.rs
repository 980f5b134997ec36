//! The dashboard and the alert rules, checked against the library's metrics: every metric is on the dashboard, and
//! every query names existing metrics and labels only.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::label::{METRIC_NAME, MatchOp};
use promql_parser::parser::{Expr, LabelModifier, VectorSelector, parse};
use s3store::testing::{Instrument, InstrumentKind, instruments};
use serde::Deserialize;
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../s3store/dashboards/grafana.json");
const ALERTS: &str = include_str!("../../s3store/dashboards/alerts.yaml");

/// The labels of every series: from Prometheus, from its exporters, and from the library.
const EVERYWHERE: [&str; 7] = [
    "job",
    "instance",
    "otel_scope_name",
    "otel_scope_version",
    "s3store_bucket",
    "s3store_prefix",
    "s3store_consistency_level",
];

type Labels = BTreeSet<String>;
type Result<T, E = String> = std::result::Result<T, E>;

/// A time series in Prometheus, and its instrument.
struct Series {
    instrument: &'static Instrument,
    labels: Labels,
}

/// Returns all series by name.
fn series() -> BTreeMap<String, Series> {
    let mut all = BTreeMap::new();
    for instrument in instruments() {
        let attributes = instrument.attributes.iter().map(|attribute| prometheus_name(attribute));
        let labels: Labels = EVERYWHERE.map(str::to_owned).into_iter().chain(attributes).collect();
        for name in names(instrument) {
            let mut add = |suffix: &str, extra: Option<&str>| {
                let labels = labels.iter().cloned().chain(extra.map(str::to_owned)).collect();
                all.insert(format!("{name}{suffix}"), Series { instrument, labels });
            };
            match instrument.kind {
                InstrumentKind::Counter => add("_total", None),
                InstrumentKind::Histogram => {
                    add("_bucket", Some("le"));
                    add("_sum", None);
                    add("_count", None);
                }
                InstrumentKind::UpDownCounter | InstrumentKind::Gauge => add("", None),
                kind => panic!("unexpected instrument kind {kind:?}"),
            }
        }
    }
    all
}

/// Returns the names of an instrument in Prometheus, without the suffix for its kind. If the name already ends in its
/// unit, some exporters append it again and others do not.
fn names(instrument: &Instrument) -> Vec<String> {
    let name = prometheus_name(instrument.name);
    let unit = match instrument.unit {
        "s" => "_seconds",
        "By" => "_bytes",
        unit => {
            assert!(unit.starts_with('{'), "unexpected unit {unit}");
            return vec![name];
        }
    };
    let with_unit = format!("{name}{unit}");
    if name.ends_with(unit) { vec![name, with_unit] } else { vec![with_unit] }
}

fn prometheus_name(name: &str) -> String {
    name.replace('.', "_")
}

/// The existing series, and the instruments that queries have used.
struct Checker {
    series: BTreeMap<String, Series>,
    used: BTreeSet<&'static str>,
}

impl Checker {
    fn new() -> Self {
        Self { series: series(), used: BTreeSet::new() }
    }

    /// Returns the labels of a query's result.
    fn query(&mut self, query: &str) -> Result<Labels> {
        let query = query.replace("$__rate_interval", "5m").replace("$__range", "1h");
        self.labels(&parse(&query)?).map_err(|error| format!("{error}, in {query}"))
    }

    /// Checks that a template, such as a legend, names only existing labels.
    fn template(&self, text: &str, labels: &Labels) -> Result<()> {
        for placeholder in text.split("{{").skip(1) {
            let placeholder =
                placeholder.split_once("}}").ok_or_else(|| format!("unclosed placeholder in {text}"))?.0.trim();
            let name = placeholder.strip_prefix("$labels.").unwrap_or(placeholder);
            if !placeholder.starts_with("$value") {
                known(labels, [name]).map_err(|error| format!("{error}, in {text}"))?;
            }
        }
        Ok(())
    }

    fn labels(&mut self, expr: &Expr) -> Result<Labels> {
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Paren(paren) => self.labels(&paren.expr),
            Expr::Unary(unary) => self.labels(&unary.expr),
            Expr::Subquery(subquery) => self.labels(&subquery.expr),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(Labels::new()),
            Expr::Aggregate(aggregate) => {
                let labels = self.labels(&aggregate.expr)?;
                modified(&labels, aggregate.modifier.as_ref())
            }
            Expr::Binary(binary) => {
                let (left, right) = (self.labels(&binary.lhs)?, self.labels(&binary.rhs)?);
                let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
                if let Some(matching) = matching {
                    known(&left, matching.labels().labels.iter())?;
                    known(&right, matching.labels().labels.iter())?;
                }
                // `or` returns the labels of either side. Otherwise one side is a number, or both have the same labels.
                Ok(left.union(&right).cloned().collect())
            }
            Expr::Call(call) => {
                let mut all = Labels::new();
                for argument in &call.args.args {
                    all.extend(self.labels(argument)?);
                }
                if call.func.name == "histogram_quantile" && !all.remove("le") {
                    return Err("histogram_quantile without le".to_owned());
                }
                Ok(all)
            }
            Expr::Extension(_) => Err("unsupported expression".to_owned()),
        }
    }

    fn selector(&mut self, selector: &VectorSelector) -> Result<Labels> {
        let by_name = |name: &str| match &selector.name {
            Some(wanted) => name == wanted,
            None => selector.matchers.find_matchers(METRIC_NAME).iter().any(|matcher| matcher.is_match(name)),
        };
        let mut found = Labels::new();
        for (_, series) in self.series.iter().filter(|(name, _)| by_name(name)) {
            self.used.insert(series.instrument.name);
            found.extend(series.labels.iter().cloned());
        }
        if found.is_empty() {
            return Err(format!("unknown metric {:?}", selector.name));
        }
        let matchers = selector.matchers.matchers.iter().filter(|matcher| matcher.name != METRIC_NAME);
        for matcher in matchers {
            known(&found, [&matcher.name])?;
            self.value(selector, &matcher.name, &matcher.op, &matcher.value)?;
        }
        Ok(found)
    }

    /// Checks that the values of a matcher can occur.
    fn value(&self, selector: &VectorSelector, label: &str, op: &MatchOp, value: &str) -> Result<()> {
        let values: &[&str] = match label {
            "s3store_outcome" => &["success", "error", "canceled"],
            "s3store_operation" => &["put", "get", "head", "list"],
            "error_type" if selector.name.as_deref().is_some_and(|name| name.starts_with("s3store_s3_")) => {
                &["precondition_failed", "not_found", "slowdown", "server", "client", "transport", "canceled", "other"]
            }
            _ => return Ok(()),
        };
        let alternatives =
            if matches!(op, MatchOp::Equal | MatchOp::NotEqual) { vec![value] } else { value.split('|').collect() };
        match alternatives.iter().find(|value| !values.contains(*value)) {
            Some(value) => Err(format!("{label} can't be {value}")),
            None => Ok(()),
        }
    }
}

fn modified(labels: &Labels, modifier: Option<&LabelModifier>) -> Result<Labels> {
    match modifier {
        None => Ok(Labels::new()),
        Some(LabelModifier::Include(by)) => {
            known(labels, by.labels.iter())?;
            Ok(by.labels.iter().cloned().collect())
        }
        Some(LabelModifier::Exclude(without)) => {
            known(labels, without.labels.iter())?;
            Ok(labels.iter().filter(|label| !without.labels.contains(label)).cloned().collect())
        }
    }
}

fn known(labels: &Labels, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<()> {
    match names.into_iter().find(|name| !labels.contains(name.as_ref())) {
        Some(name) => Err(format!("unknown label {} among {labels:?}", name.as_ref())),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[test]
fn the_dashboard_shows_every_metric_and_queries_nothing_else() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut checker = Checker::new();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let labels = checker.query(target["expr"].as_str().unwrap()).unwrap();
            checker.template(target["legendFormat"].as_str().unwrap(), &labels).unwrap();
            queries += 1;
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let query = variable["definition"].as_str().unwrap();
            let inner = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')')).unwrap();
            let (selector, label) = inner.rsplit_once(", ").unwrap();
            known(&checker.query(selector).unwrap(), [label]).unwrap();
        }
    }
    assert!(queries > 60, "{queries} queries");
    let missing: Vec<_> =
        instruments().iter().map(|one| one.name).filter(|name| !checker.used.contains(name)).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[test]
fn the_dashboard_shows_p95_and_an_overview_of_all_datasets() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = |panel: &Value| -> Vec<String> {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<String> = panels.iter().flat_map(queries).collect();
    let p50: Vec<&String> = all.iter().filter(|query| query.contains("histogram_quantile(0.5,")).collect();
    assert!(p50.len() > 15, "{}", p50.len());
    for query in p50 {
        for quantile in ["0.95", "0.99"] {
            let other = query.replace("quantile(0.5,", &format!("quantile({quantile},"));
            assert!(all.contains(&other), "no {quantile} beside {query}");
        }
    }
    let row = panels.iter().position(|panel| panel["title"] == "All datasets").unwrap();
    let overview: Vec<_> = panels[row + 1..].iter().take_while(|panel| panel["type"] != "row").collect();
    assert_eq!(overview.len(), 6);
    for query in overview.into_iter().flat_map(queries) {
        assert!(query.contains("s3store_bucket, s3store_prefix)"), "{query}");
        assert!(!query.contains("$prefix") && !query.contains("$bucket"), "{query}");
    }
    // No two panels overlap.
    let mut cells = BTreeSet::new();
    for panel in panels {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && cells.insert((x, y)), "{} overlaps another panel", panel["title"]);
        }
    }
}

#[test]
fn alerts_query_existing_metrics_and_have_annotations() {
    let rules: Rules = serde_saphyr::from_str(ALERTS).unwrap();
    let mut checker = Checker::new();
    let mut names = BTreeSet::new();
    for rule in rules.groups.into_iter().flat_map(|group| group.rules) {
        let labels = checker.query(&rule.expr).unwrap_or_else(|error| panic!("{}: {error}", rule.alert));
        for text in ["summary", "description"] {
            checker
                .template(&rule.annotations[text], &labels)
                .unwrap_or_else(|error| panic!("{}: {error}", rule.alert));
        }
        assert!(["warning", "critical"].contains(&rule.labels["severity"].as_str()), "{}", rule.alert);
        assert!(names.insert(rule.alert.clone()), "{} twice", rule.alert);
    }
    assert!(names.len() > 12, "{names:?}");
}

#[test]
fn queries_of_unknown_metrics_and_labels_are_rejected() {
    let wrong = [
        ("s3store_s3_request_count", "unknown metric"),
        ("s3store_s3_request_duration_bucket", "unknown metric"),
        ("s3store_write_restamps_total{s3store_method=\"write\"}", "unknown label s3store_method"),
        ("sum by (operation) (s3store_s3_request_count_total)", "unknown label operation"),
        ("sum without (method) (s3store_method_in_flight)", "unknown label method"),
        ("sum by (le) (rate(s3store_target_semaphore_acquires_total[5m]))", "unknown label le"),
        ("histogram_quantile(0.9, sum(rate(s3store_method_duration_seconds_bucket[5m])))", "without le"),
        ("s3store_target_inflight / on (s3store_method) s3store_target_limit", "unknown label s3store_method"),
        ("sum by (job) (sum by (s3store_bucket) (s3store_write_tails))", "unknown label job"),
        ("s3store_method_calls_total{s3store_outcome=\"failure\"}", "can't be failure"),
        ("s3store_s3_request_count_total{error_type!~\"not_found|conflict\"}", "can't be conflict"),
        ("sum(rate(s3store_method_calls_total))", "expected type matrix"),
    ];
    for (query, expected) in wrong {
        let error = Checker::new().query(query).expect_err(query);
        assert!(error.contains(expected), "{query}: {error}");
    }
    let mut checker = Checker::new();
    let labels = checker.query("sum by (s3store_method) (s3store_method_in_flight)").unwrap();
    checker.template("{{s3store_method}} {{ $value | humanize }}", &labels).unwrap();
    assert!(checker.template("{{s3store_operation}}", &labels).is_err());
    assert!(checker.template("{{ $labels.instance }}", &labels).is_err());
}
