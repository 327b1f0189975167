//! `causeway status`: how the nodes are, and whether the network lives.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, json, print_many, print_one, say};
use crate::cli::session::Session;
use crate::client::json::to_json;
use serde_json::{Value, json};

/// Asks every endpoint for its status.
///
/// # Errors
/// None of them answers, or none of those that do sees blocks become final.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let mut answers = Vec::new();
    for (endpoint, status) in session.statuses().await? {
        let mut value = match status {
            Ok(status) => to_json(&status),
            Err(error) => json!({ "error": error.to_string() }),
        };
        value["endpoint"] = endpoint.into();
        answers.push(value);
    }
    match (session.format(), answers.as_slice()) {
        (_, [only]) => print_one(session.format(), only),
        (Format::Json, all) => println!("{}", json(&Value::Array(all.to_vec()))),
        (Format::Text, all) => {
            let rows: Vec<Value> = all.iter().map(row).collect();
            // A table has to fit a terminal. Where a node's blocks begin is of interest where it is not at the beginning.
            let is_cut = rows.iter().any(|row| row["blocks_from"].as_u64().is_some_and(|height| height > 1));
            let epoch_or_blocks = if is_cut { "blocks_from" } else { "epoch" };
            let columns =
                ["node", "endpoint", "mode", epoch_or_blocks, "height", "last_final", "hears", "pool", "version"];
            print_many(Format::Text, &rows, &columns);
        }
    }
    if session.format() == Format::Text {
        answers.iter().filter_map(standstill).for_each(|sentence| say(&sentence));
    }
    match ledger_lives(&answers) {
        true => Ok(()),
        false => Err(Failure::Failed("the ledger stands still: no node that answers sees blocks become final".into())),
    }
}

/// Whether any node sees blocks become final. One that does not may be cut off; if none does, the ledger stands still.
fn ledger_lives(answers: &[Value]) -> bool {
    answers.iter().any(|answer| !answer["error"].is_string() && answer["stands_still"] != true)
}

/// What fits a line of the table.
fn row(answer: &Value) -> Value {
    let mut row = answer.clone();
    if answer["error"].is_string() {
        row["mode"] = "does not answer".into();
        return row;
    }
    row["node"] = name_of(answer).into();
    row["pool"] = answer["pool_transactions"].clone();
    row["last_final"] = format!("{} ago", age(answer)).into();
    row["blocks_from"] = answer["earliest_block_height"].clone();
    row["hears"] = format!("{} of {}", heard(answer, true).len(), validators(answer).len()).into();
    row
}

fn validators(answer: &Value) -> &[Value] {
    answer["validators"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The names of the validators that a node hears, or that it does not.
fn heard(answer: &Value, is_heard: bool) -> Vec<&str> {
    let which = validators(answer).iter().filter(|validator| validator["heard"] == is_heard);
    which.filter_map(|validator| validator["name"].as_str()).collect()
}

/// A validator's name in the genesis; none for others.
fn name_of(answer: &Value) -> &str {
    let own = validators(answer).iter().find(|validator| validator["public_key"] == answer["node_public_key"]);
    own.and_then(|validator| validator["name"].as_str()).unwrap_or("not a validator")
}

fn age(answer: &Value) -> String {
    match answer["final_age_ms"].as_u64().unwrap_or_default() / 1_000 {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// What there is to say of a node that sees no block become final.
fn standstill(answer: &Value) -> Option<String> {
    if answer["stands_still"] != true {
        return None;
    }
    let (heard, silent) = (heard(answer, true), heard(answer, false));
    let silent = if silent.is_empty() { String::new() } else { format!(", and not {}", silent.join(", ")) };
    Some(format!(
        "{}: no block has become final for {}. It hears {} of {} validators{silent}; it takes {}.",
        name_of(answer),
        age(answer),
        heard.len(),
        validators(answer).len(),
        answer["quorum"],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_names_the_silent_and_what_it_takes() {
        let validator = |number: u64, heard: bool| json!({ "name": format!("validator-{number}"), "public_key": number.to_string(), "heard": heard });
        let validators = [(1, true), (2, true), (3, false), (4, false)].map(|(number, heard)| validator(number, heard));
        let mut answer = json!({
            "node_public_key": "2", "validators": validators, "quorum": 3, "final_age_ms": 23_400, "stands_still": true,
        });
        let sentence = standstill(&answer).expect("it stands still");
        assert_eq!(
            sentence,
            "validator-2: no block has become final for 23 s. It hears 2 of 4 validators, and not validator-3, \
             validator-4; it takes 3."
        );
        assert_eq!(row(&answer)["hears"], "2 of 4");
        let silent = json!({ "error": "no node answers" });
        assert!(!ledger_lives(&[answer.clone(), silent.clone()]), "whoever answers sees no blocks");
        let cut_off = answer.clone();
        answer["stands_still"] = false.into();
        assert_eq!(standstill(&answer), None);
        assert!(ledger_lives(&[cut_off, answer, silent]), "one is cut off, and the others go on");
    }
}
