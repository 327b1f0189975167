//! What the committed counts allow.

use causeway_parts::hot_paths::HOT_PATHS;
use causeway_parts::instruction_counts::{Accepted, Count, Counted, Rise, Unaccepted, Verdict};
use std::collections::BTreeMap;

fn accepted(instructions: u64) -> Accepted {
    let count = Count { instructions, per: "leaf".to_owned(), rises: Vec::new() };
    Accepted { compiler: "one".to_owned(), paths: BTreeMap::from([("root".to_owned(), count)]) }
}

fn counted(name: &str, instructions: u64) -> BTreeMap<String, Counted> {
    BTreeMap::from([(name.to_owned(), Counted { instructions, per: "leaf".to_owned() })])
}

#[test]
fn a_count_fails_past_five_percent_and_not_before() {
    let rows = [
        (1_000, Verdict::Same, false),
        (1_050, Verdict::Same, false),
        (1_051, Verdict::Rose, true),
        (950, Verdict::Same, false),
        (949, Verdict::Fell, false),
    ];
    for (now, verdict, fails) in rows {
        let compared = accepted(1_000).compare(&counted("root", now));
        assert_eq!(compared, BTreeMap::from([("root".to_owned(), verdict)]), "{now}");
        assert_eq!(verdict.fails(), fails, "{now}");
    }
}

#[test]
fn a_path_cannot_leave_the_file_or_enter_it_unseen() {
    let compared = accepted(1_000).compare(&counted("another", 10));
    let expected = [("another", Verdict::New), ("root", Verdict::Gone)];
    assert_eq!(compared, expected.map(|(name, verdict)| (name.to_owned(), verdict)).into());
    assert!(compared.values().all(|verdict| verdict.fails()));
}

#[test]
fn a_rise_is_accepted_with_a_reason_that_is_kept() {
    let refused = accepted(1_000).accept("two", &counted("root", 1_100), " ");
    assert_eq!(refused, Err(Unaccepted::NoReason("root".to_owned())));
    let risen = accepted(1_000).accept("two", &counted("root", 1_100), "salts").expect("it has a reason");
    let rise = Rise { from: 1_000, to: 1_100, reason: "salts".to_owned() };
    assert_eq!((risen.paths["root"].instructions, &risen.paths["root"].rises[..]), (1_100, &[rise.clone()][..]));
    let fallen = risen.accept("two", &counted("root", 500), "").expect("a fall needs none");
    assert_eq!((fallen.paths["root"].instructions, &fallen.paths["root"].rises[..]), (500, &[rise][..]));
}

#[test]
fn small_rises_do_not_add_up_unseen() {
    let again = accepted(1_000).accept("one", &counted("root", 1_040), "").expect("within the bound");
    assert_eq!(again, accepted(1_000));
}

#[test]
fn every_hot_path_has_an_accepted_count() {
    let committed: Accepted = toml::from_str(include_str!("../instruction-counts.toml")).expect("a good file");
    let names: Vec<&str> = committed.paths.keys().map(String::as_str).collect();
    let mut expected: Vec<&str> = HOT_PATHS.iter().map(|path| path.name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}
