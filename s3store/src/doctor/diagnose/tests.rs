use super::*;

const ATTEMPT: &str = "0190a8d9b7c47f7e8a9b0c1d2e3f4a5b";
const OTHER: &str = "0190a8d9b7c47f7e8a9b0c1d2e3f4a5c";
/// The time in the refs of these tests.
const STAMPED: i64 = 100 * SECOND;
const SCOPE: Scope =
    Scope { since: 50 * SECOND, until: 200 * SECOND, commit_timeout: 5 * SECOND, now: 300 * SECOND + OLD_UPLOAD };

fn prefix() -> Prefix {
    Prefix::new("d").unwrap()
}

fn listed(key: String, landed: i64) -> ListedObject {
    ListedObject { key, size: 9, last_modified: Some(landed), version: None }
}

fn a_ref(attempt: &str, stamped: i64, landed: i64) -> ListedObject {
    listed(format!("d/_ref/{stamped:016}-t-{attempt};p=1.ref"), landed)
}

fn file(attempt: &str) -> ListedObject {
    listed(format!("d/data/p=1/t-{attempt}.parquet"), STAMPED)
}

fn commit(landed: i64) -> ListedObject {
    listed("d/data/p=1/t.commit".to_owned(), landed)
}

/// Returns the kinds of the findings. The commit, if it is listed, names [`ATTEMPT`].
fn found(objects: &[ListedObject]) -> Vec<String> {
    let (prefix, mut listing, mut diagnosis) = (prefix(), Listing::default(), Diagnosis::default());
    let (refs, data) = objects.iter().cloned().partition(|object| object.key.contains("/_ref/"));
    listing.add_refs(&prefix, refs);
    listing.add_data(&prefix, data);
    for (token, key) in listing.tokens_in(&prefix, SCOPE) {
        let attempt = AttemptId::parse(ATTEMPT).unwrap();
        let meta = CommitMeta { attempt, ref_micros: STAMPED, inserted_at_micros: 0, record_count: 3, content: None };
        diagnosis.add("b", &prefix, &listing, &token, key.map(|_| meta), SCOPE).unwrap();
    }
    let word = |finding: &Finding| finding.to_string().split(':').next().unwrap().to_owned();
    diagnosis.findings.iter().map(word).collect()
}

#[test]
fn a_write_in_time_has_no_findings() {
    let whole = [a_ref(ATTEMPT, STAMPED, STAMPED), file(ATTEMPT), commit(STAMPED + 4 * SECOND)];
    assert_eq!(found(&whole), [""; 0]);
    assert_eq!(found(&[]), [""; 0]);
}

#[test]
fn commits_that_may_be_late_within_the_second_are_found() {
    let late = |ref_landed: i64, commit_landed: i64| {
        found(&[a_ref(ATTEMPT, STAMPED, ref_landed), file(ATTEMPT), commit(commit_landed)])
    };
    // S3 reports 5 s after the ref's time. It may have been 5.9 s.
    assert_eq!(late(STAMPED, STAMPED + 5 * SECOND), ["late"]);
    assert_eq!(late(STAMPED + 5 * SECOND, STAMPED + 5 * SECOND), ["late"]);
    assert_eq!(late(STAMPED + 5 * SECOND, STAMPED + 4 * SECOND), ["late"]);
    assert_eq!(late(STAMPED + 4 * SECOND, STAMPED + 4 * SECOND), [""; 0]);
}

#[test]
fn a_restamp_in_time_repairs_a_late_commit() {
    let (restamp, landed) = (STAMPED + 60 * SECOND, STAMPED + 60 * SECOND);
    let late = [a_ref(ATTEMPT, STAMPED, STAMPED), file(ATTEMPT), commit(STAMPED + 30 * SECOND)];
    let with = |more: ListedObject| found(&[late.as_slice(), &[more]].concat());
    assert_eq!(with(a_ref(ATTEMPT, restamp, landed)), [""; 0]);
    assert_eq!(with(a_ref(ATTEMPT, restamp, landed + 9 * SECOND)), ["late"]);
    // A ref after the window counts too. A ref of another attempt does not.
    assert_eq!(with(a_ref(ATTEMPT, SCOPE.until + SECOND, SCOPE.until + SECOND)), [""; 0]);
    assert_eq!(with(a_ref(OTHER, restamp, landed)), ["ref without commit", "late"]);
}

#[test]
fn incomplete_writes_are_found() {
    let (r, f, c) = (a_ref(ATTEMPT, STAMPED, STAMPED), file(ATTEMPT), commit(STAMPED));
    assert_eq!(found(std::slice::from_ref(&r)), ["ref without commit"]);
    assert_eq!(found(std::slice::from_ref(&f)), ["file without commit"]);
    assert_eq!(found(&[r.clone(), f.clone()]), ["ref without commit", "file without commit"]);
    assert_eq!(found(&[r.clone(), c.clone()]), ["commit without file"]);
    assert_eq!(found(&[f.clone(), c.clone()]), ["commit without ref"]);
    assert_eq!(found(&[r, f, c, file(OTHER)]), ["file without commit"]);
}

#[test]
fn objects_outside_the_window_are_ignored() {
    let outside = SCOPE.until + SECOND;
    let objects = [
        a_ref(ATTEMPT, outside, outside),
        listed(format!("d/data/p=1/t-{ATTEMPT}.parquet"), outside),
        listed("d/data/p=1/u.commit".to_owned(), SCOPE.since - 2 * SECOND),
    ];
    assert_eq!(found(&objects), [""; 0]);
    // An object without a time may belong to the window.
    let without_time = ListedObject { last_modified: None, ..file(ATTEMPT) };
    assert_eq!(found(&[without_time]), ["file without commit"]);
}

#[test]
fn old_uploads_of_data_files_from_before_the_windows_end_are_left_behind() {
    let found = |key: &str, started: Option<i64>, scope: Scope| {
        let mut diagnosis = Diagnosis::default();
        let upload = ListedUpload { key: key.to_owned(), id: "u".to_owned(), started };
        diagnosis.add_uploads(&prefix(), vec![upload], scope);
        (diagnosis.uploads, diagnosis.findings.len())
    };
    let file = format!("d/data/p=1/t-{ATTEMPT}.parquet");
    // The start of the window does not count, and an upload without a time may be old.
    for started in [Some(0), Some(50 * SECOND), Some(199 * SECOND), None] {
        assert_eq!(found(&file, started, SCOPE), (1, 1), "{started:?}");
    }
    assert_eq!(found(&file, Some(200 * SECOND), SCOPE), (1, 0), "the window's end");
    let young = Scope { now: 100 * SECOND + OLD_UPLOAD, ..SCOPE };
    assert_eq!(found(&file, Some(100 * SECOND), young), (1, 1));
    assert_eq!(found(&file, Some(101 * SECOND), young), (1, 0), "less than a day old");
    for other in [
        "d/data/p=1/t.commit",
        "d/data/p=1/notes.txt",
        &format!("d/data/nested/data/p=1/t-{ATTEMPT}.parquet"),
        &format!("d/_ref/t-{ATTEMPT}.parquet"),
    ] {
        assert_eq!(found(other, Some(0), SCOPE), (0, 0), "{other}");
    }
}
