//! A reader whose listing has several pages, and a retry that completes between two of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use s3store::Clock;
use s3store::testing::{Fault, Operation};

use super::case::{Case, FollowUp, Landing};
use super::in_paused_time;
use super::run::{RETRY, clean, first_write, world};
use super::shape::Shape;
use super::strike::{Hit, Lost, Strike, Times};
use super::target::{FIRST, Target};
use super::watch::{Row, Watch, row};
use super::writer::{FIRST_TIME, RETRY_TIME, write};
use crate::integration::harness::{BUCKET, PREFIX, sleep};
use crate::integration::records::Event;

/// The point at which the retry runs.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Keys in a page.
    keys: usize,
    /// The retry runs after this many further pages. After the last page it runs beside the HEADs.
    pages: usize,
    /// If true, earlier commits are old enough to be read without a HEAD.
    settled: bool,
    /// If true, the retry's clock is behind, so its file is listed before the first attempt's.
    behind: bool,
}

#[test]
fn a_retry_between_two_pages() {
    let mut cases = 0;
    for shape in [Shape::WITHOUT_TOKEN, Shape::WITH_TOKEN, Shape::WITH_TOKEN.to_two_partitions()] {
        let targets: Vec<Target> = in_paused_time(clean(shape));
        for target in &targets {
            for strike in [Strike::AppliedThenError, Strike::Late(Lost::Error)] {
                for follow_up in [FollowUp::SameToken, FollowUp::NoToken] {
                    if follow_up == FollowUp::NoToken && shape.partitions == 2
                        || !shape.token && follow_up == FollowUp::SameToken
                    {
                        continue;
                    }
                    let hits = vec![Hit { target: target.clone(), strike, times: Times::Always }];
                    let case = Case { shape, hits, landing: Landing::DuringRetry, follow_up, drained: true };
                    cases += all_cuts(&case);
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(cases >= 300, "only {cases} cases");
}

/// Runs the case with the retry at every point of the listing. Returns how many there are.
fn all_cuts(case: &Case) -> usize {
    let mut cuts = 0;
    for (keys, settled, behind) in
        [(1, false, false), (1, true, false), (1, false, true), (1, true, true), (2, false, false), (2, false, true)]
    {
        for pages in 0.. {
            cuts += 1;
            if !in_paused_time(run_with_cut(case, Cut { keys, pages, settled, behind })) {
                break;
            }
        }
    }
    cuts
}

/// Runs one case. Returns whether the listing has a further page.
async fn run_with_cut(case: &Case, cut: Cut) -> bool {
    let name = format!("{case:?}, {cut:?}");
    let world = world(case.shape);
    let s3 = &world.s3;
    s3.set_page_size(cut.keys);
    s3.put_object(BUCKET, &format!("{PREFIX}/_config/max-clock-skew"), "60s");
    let first = world.process(FIRST).await;
    let clock = if cut.behind { Clock::virtual_time() } else { world.clock.clone() };
    if cut.behind {
        // By more than all tries of the first writer take.
        clock.set_offset(TimeDelta::seconds(-50));
    }
    let other = world.process_on(RETRY, clock).await;
    let mut watch = Watch::new(s3, &other);
    case.faults().into_iter().for_each(|fault| s3.inject(fault));
    let outcomes = first_write(&world, &first, case).await;
    watch.note(&outcomes, FIRST_TIME);
    watch.look(&format!("{name}, after the first write")).await;
    if cut.settled {
        sleep(Duration::from_secs(30)).await;
    }
    let before: Vec<Row> = watch.seen().to_vec();

    let retried = Arc::new(Mutex::new(None));
    let hook = {
        let (retried, shape, token) = (Arc::clone(&retried), case.shape, case.follow_up == FollowUp::SameToken);
        let (s3, other) = (s3.clone(), other.clone());
        move |_| {
            let (retried, s3, other) = (Arc::clone(&retried), s3.clone(), other.clone());
            async move {
                let outcomes = write(other, shape, token, RETRY_TIME).await;
                s3.land_late().await;
                *retried.lock().unwrap() = Some(outcomes);
            }
        }
    };
    s3.inject(Fault::on(Operation::List).skip(cut.pages).call_after(hook));
    s3.clear_requests();
    let records = other.store::<Event>().read_all().await.unwrap();
    let pages = world.count(Operation::List);
    let again = retried.lock().unwrap().take().unwrap();
    assert!(again.iter().all(|(_, outcome)| outcome.commit().is_some()), "{name}: {again:?}");
    watch.note(&again, RETRY_TIME);
    watch.look(&format!("{name}, after the retry")).await;

    let mut during: Vec<Row> = records.iter().map(row).collect();
    during.sort();
    during.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "{name}: read twice"));
    for row in &before {
        assert!(during.contains(row), "{name}: {row:?} was visible before, and the reader missed it");
    }
    for row in &during {
        assert!(watch.seen().contains(row), "{name}: the reader saw {row:?}, which no commit names");
    }
    pages > cut.pages + 1
}
