//! The words of CBV 2.0. A word is written bare, as a URN, as a web URI or with the prefix `cbv`, and means one thing.

use super::EpcisError;
use super::json::Place;
use super::value::Value;

/// A vocabulary of the standard.
pub(super) struct Vocabulary {
    /// What its words are called.
    name: &'static str,
    /// What stands before a word in a URN.
    urn: &'static str,
    /// What stands before a word in a web URI.
    web: &'static str,
    words: &'static [&'static str],
}

const WEB: &str = "https://ref.gs1.org/cbv/";

/// Business steps.
pub(super) const BUSINESS_STEPS: Vocabulary = Vocabulary {
    name: "business step",
    urn: "urn:epcglobal:cbv:bizstep:",
    web: "BizStep-",
    words: &[
        "accepting",
        "arriving",
        "assembling",
        "collecting",
        "commissioning",
        "consigning",
        "creating_class_instance",
        "cycle_counting",
        "decommissioning",
        "departing",
        "destroying",
        "disassembling",
        "dispensing",
        "encoding",
        "entering_exiting",
        "holding",
        "inspecting",
        "installing",
        "killing",
        "loading",
        "other",
        "packing",
        "picking",
        "receiving",
        "removing",
        "repackaging",
        "repairing",
        "replacing",
        "reserving",
        "retail_selling",
        "sampling",
        "sensor_reporting",
        "shipping",
        "staging_outbound",
        "stock_taking",
        "stocking",
        "storing",
        "transporting",
        "unloading",
        "unpacking",
        "void_shipping",
    ],
};

/// Dispositions.
pub(super) const DISPOSITIONS: Vocabulary = Vocabulary {
    name: "disposition",
    urn: "urn:epcglobal:cbv:disp:",
    web: "Disp-",
    words: &[
        "active",
        "available",
        "completeness_inferred",
        "completeness_verified",
        "conformant",
        "container_closed",
        "container_open",
        "damaged",
        "destroyed",
        "dispensed",
        "disposed",
        "encoded",
        "expired",
        "in_progress",
        "in_transit",
        "inactive",
        "mismatch_class",
        "mismatch_instance",
        "mismatch_quantity",
        "needs_replacement",
        "no_pedigree_match",
        "non_conformant",
        "non_sellable_other",
        "partially_dispensed",
        "recalled",
        "reserved",
        "retail_sold",
        "returned",
        "sellable_accessible",
        "sellable_not_accessible",
        "stolen",
        "unavailable",
        "unknown",
    ],
};

/// Types of business transactions.
pub(super) const BUSINESS_TRANSACTIONS: Vocabulary = Vocabulary {
    name: "business transaction type",
    urn: "urn:epcglobal:cbv:btt:",
    web: "BTT-",
    words: &[
        "bol",
        "cert",
        "desadv",
        "inv",
        "pedigree",
        "po",
        "poc",
        "prodorder",
        "recadv",
        "rma",
        "testprd",
        "testres",
        "upevt",
    ],
};

/// Types of sources and destinations.
pub(super) const PARTIES: Vocabulary = Vocabulary {
    name: "source or destination type",
    urn: "urn:epcglobal:cbv:sdt:",
    web: "SDT-",
    words: &["location", "owning_party", "possessing_party"],
};

/// Why an event was declared wrong.
pub(super) const ERROR_REASONS: Vocabulary = Vocabulary {
    name: "reason of an error declaration",
    urn: "urn:epcglobal:cbv:er:",
    web: "ER-",
    words: &["did_not_occur", "incorrect_data"],
};

const ALL: [&Vocabulary; 5] = [&BUSINESS_STEPS, &DISPOSITIONS, &BUSINESS_TRANSACTIONS, &PARTIES, &ERROR_REASONS];

/// A word: of the standard, or a URI of somebody's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The bare word, if it is the standard's.
    pub(super) standard: Option<&'static str>,
    pub(super) value: Value,
}

impl Word {
    /// The bare word of the standard, or the URI.
    pub(super) fn shown(&self) -> &str {
        self.standard.unwrap_or(&self.value.canonical)
    }
}

impl Vocabulary {
    /// Reads a word.
    pub(super) fn read(&self, place: &Place<'_>) -> Result<Word, EpcisError> {
        let text = place.text()?;
        let unknown = || EpcisError::UnknownWord {
            path: place.path.clone(),
            value: text.chars().take(80).collect(),
            vocabulary: self.name,
        };
        let of_standard = if text.contains(':') {
            let web = text.strip_prefix(WEB).or_else(|| text.strip_prefix("cbv:"));
            let bare = text.strip_prefix(self.urn).or_else(|| web.and_then(|web| web.strip_prefix(self.web)));
            let claims = web.is_some() || text.starts_with("urn:epcglobal:cbv:");
            bare.or(claims.then_some(""))
        } else {
            Some(text)
        };
        let Some(bare) = of_standard else {
            return Ok(Word { standard: None, value: Value::uri(place)? });
        };
        let word = self.words.iter().find(|word| **word == bare).ok_or_else(unknown)?;
        let value = Value { canonical: format!("{WEB}{}{word}", self.web), draft: format!("{}{word}", self.urn) };
        Ok(Word { standard: Some(word), value })
    }
}

/// The web URI of what may be a URN of any vocabulary of the standard.
pub(super) fn web_uri(text: &str) -> Option<String> {
    let of = |vocabulary: &&Vocabulary| {
        let word = text.strip_prefix(vocabulary.urn)?;
        Some(format!("{WEB}{}{word}", vocabulary.web))
    };
    ALL.iter().find_map(of)
}
