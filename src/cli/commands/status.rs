//! `causeway status`: how the nodes are.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one};
use crate::cli::session::Session;
use crate::client::json::to_json;
use serde_json::{Value, json};

/// Asks every endpoint for its status.
///
/// # Errors
/// None of them answers.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let endpoints: Vec<String> = session.client.endpoints().into_iter().map(str::to_owned).collect();
    let mut answers = Vec::new();
    for endpoint in &endpoints {
        let status = match session.client.of_node(endpoint).await {
            Ok(client) => client.status().await,
            Err(error) => Err(error),
        };
        let mut value = match status {
            Ok(status) => to_json(&status),
            Err(error) => json!({ "error": error.to_string() }),
        };
        value["endpoint"] = endpoint.as_str().into();
        answers.push(value);
    }
    answers.sort_by_key(|answer| answer["endpoint"].as_str().map(str::to_owned));
    if session.format() == Format::Text && answers.len() > 1 {
        for answer in &mut answers {
            if answer["error"].is_string() {
                answer["mode"] = Value::from("does not answer");
            }
        }
        let columns = ["endpoint", "mode", "height", "time_ms", "epoch", "pool_transactions", "version"];
        print_many(Format::Text, &answers, &columns);
        return Ok(());
    }
    match answers.as_slice() {
        [only] => print_one(session.format(), only),
        all => println!("{:#}", Value::Array(all.to_vec())),
    }
    Ok(())
}
