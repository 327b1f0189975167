//! Words of the ledger as flags take them: by the names that effects and documents have, and a list of all if it is another.

/// The value of a name.
///
/// # Errors
/// It has none; the names that have one.
pub fn by_name<T: Copy>(all: &[T], name_of: impl Fn(T) -> &'static str, name: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|value| name_of(*value) == name);
    let names = || all.iter().map(|value| name_of(*value)).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("it must be one of {}", names()))
}
