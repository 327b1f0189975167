//! `@context`: the prefixes that extensions' names have.

use super::EpcisError;
use super::json::{Node, Place};
use std::collections::BTreeMap;

/// The prefixes that the standard's own context declares, and must not be declared otherwise.
const STANDARD: [(&str, &str); 8] = [
    ("epcis", "https://ref.gs1.org/epcis/"),
    ("cbv", "https://ref.gs1.org/cbv/"),
    ("cbvmda", "urn:epcglobal:cbv:mda:"),
    ("gs1", "https://gs1.org/voc/"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    ("owl", "http://www.w3.org/2002/07/owl#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
    ("dcterms", "http://purl.org/dc/terms/"),
];

/// The prefixes that a document declares, each with its namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespaces(BTreeMap<String, String>);

impl Namespaces {
    /// Adds what the `@context` here declares.
    ///
    /// # Errors
    /// It is none, or declares a prefix of the standard as something else.
    pub(super) fn declare(&mut self, object: &Place<'_>) -> Result<(), EpcisError> {
        let Some(context) = object.get("@context") else { return Ok(()) };
        let parts = match context.node {
            Node::List(_) => context.items()?,
            _ => vec![context],
        };
        for part in parts {
            if matches!(part.node, Node::Text(_)) {
                // A context by reference: the standard's. It is not fetched.
                part.text()?;
                continue;
            }
            for (prefix, namespace) in part.entries()? {
                // How the values of a term are typed does not change what is hashed.
                if matches!(namespace.node, Node::Object(_)) || prefix.starts_with('@') {
                    continue;
                }
                let uri = namespace.text()?;
                let standard = STANDARD.iter().find(|(name, _)| *name == prefix);
                if standard.is_some_and(|(_, standard)| *standard != uri && prefix != "cbvmda" && prefix != "gs1") {
                    return Err(namespace.invalid("the namespace that EPCIS 2.0 gives this prefix"));
                }
                self.0.insert(prefix.to_owned(), uri.to_owned());
            }
        }
        Ok(())
    }

    pub(super) fn is_prefix(&self, prefix: &str) -> bool {
        self.0.contains_key(prefix) || STANDARD.iter().any(|(name, _)| *name == prefix)
    }

    /// The namespace and the local name of an extension's name.
    ///
    /// # Errors
    /// No declared prefix, or one of which programs give different namespaces.
    pub(super) fn resolve<'a>(
        &self,
        place: &Place<'_>,
        name: &'a str,
    ) -> Result<Option<(String, &'a str)>, EpcisError> {
        let Some((prefix, local)) = name.split_once(':') else { return Ok(None) };
        if prefix == "gs1" || prefix == "epcis" || prefix == "cbv" {
            let why = "programs differ on the namespace of GS1's own prefixes; leave the extension out";
            return Err(EpcisError::Unhashable { path: place.path.clone(), what: "an extension of GS1's", why });
        }
        match self.0.get(prefix) {
            Some(namespace) if !local.is_empty() => Ok(Some((namespace.clone(), local))),
            None if prefix == "cbvmda" => {
                let why = "programs differ on its namespace where @context does not declare it; declare cbvmda there";
                Err(EpcisError::Unhashable { path: place.path.clone(), what: "master data", why })
            }
            _ => Err(EpcisError::UnknownPrefix { path: place.path.clone(), prefix: prefix.chars().take(40).collect() }),
        }
    }
}
