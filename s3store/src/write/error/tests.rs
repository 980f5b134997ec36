use super::*;

fn cause() -> Error {
    let source = std::io::Error::other("connection reset");
    Error::new(ErrorKind::Unavailable, "put commit d/data/p=1/t.commit: no answer").with_source(source)
}

fn commit() -> Commit {
    let micros = chrono::DateTime::from_timestamp_micros(0).unwrap();
    let ref_path = "d/_ref/0-t-a;p=1.ref".to_owned();
    Commit {
        bucket: "b".to_owned(),
        partition: "p=1".to_owned(),
        token: "t".to_owned(),
        offset: crate::format::Offset::of(ref_path.clone()),
        data_path: "d/data/p=1/t-a.parquet".to_owned(),
        ref_path,
        inserted_at: micros,
        record_count: 1,
        replayed: false,
    }
}

fn unknown() -> Unknown {
    Unknown {
        partition: "p=1".to_owned(),
        token: "t".to_owned(),
        commit_path: "d/data/p=1/t.commit".to_owned(),
        data_path: "d/data/p=1/t-a.parquet".to_owned(),
        cause: cause(),
    }
}

/// Returns all messages of an error's chain, as a report prints them.
fn chain(error: &dyn StdError) -> Vec<String> {
    let (mut messages, mut source) = (vec![error.to_string()], error.source());
    while let Some(error) = source {
        messages.push(error.to_string());
        source = error.source();
    }
    messages
}

#[test]
fn a_chain_names_the_cause_once() {
    let partly = WriteError { committed: vec![commit()], ..WriteError::not_committed(cause()) };
    let unknown_only = WriteError { unknown: vec![unknown()], cause: None, ..WriteError::not_committed(cause()) };
    let errors: [Box<dyn StdError>; 7] = [
        Box::new(CommitError::NotCommitted(cause())),
        Box::new(CommitError::Unknown(Box::new(unknown()))),
        Box::new(WriteError::not_committed(cause())),
        Box::new(partly),
        Box::new(unknown_only),
        Box::new(RestampError::NotRestamped(cause())),
        Box::new(RestampError::Unknown(cause())),
    ];
    for error in errors {
        let chain = chain(&*error);
        assert!(chain[0].contains("put commit d/data/p=1/t.commit: no answer"), "{chain:?}");
        assert_eq!(chain[1..], ["connection reset"]);
    }
}

#[test]
fn messages_state_what_is_durable() {
    let error = CommitError::NotCommitted(cause()).to_string();
    assert_eq!(error, "write failed, nothing was committed: put commit d/data/p=1/t.commit: no answer");
    assert_eq!(WriteError::not_committed(cause()).to_string(), error);
    let partly = WriteError { committed: vec![commit()], ..WriteError::not_committed(cause()) }.to_string();
    assert!(partly.contains("not all partitions were committed (1 committed, 0 committed late, 0 with"), "{partly}");
    for error in [RestampError::NotRestamped(cause()), RestampError::Unknown(cause())] {
        let message = error.to_string();
        assert!(message.contains("the commit stays durable"), "{message}");
        assert!(!message.contains("nothing was committed"), "{message}");
    }
    assert!(RestampError::Late(Box::new(commit())).to_string().contains("the ref d/_ref/0-t-a;p=1.ref exists"));
}

#[test]
fn kinds_rank_unknown_before_the_cause_before_late() {
    assert_eq!(CommitError::NotCommitted(cause()).kind(), ErrorKind::Unavailable);
    assert_eq!(CommitError::Late(Box::new(commit())).kind(), ErrorKind::Late);
    assert_eq!(CommitError::Unknown(Box::new(unknown())).kind(), ErrorKind::UnknownOutcome);
    let mut error = WriteError { unknown: vec![unknown()], late: vec![commit()], ..WriteError::not_committed(cause()) };
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
    error.unknown.clear();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    error.cause = None;
    assert_eq!(error.kind(), ErrorKind::Late);
    assert_eq!(RestampError::Unknown(cause()).kind(), ErrorKind::Unavailable);
}
