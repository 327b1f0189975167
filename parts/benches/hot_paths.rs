//! The hot paths by the clock: `cargo bench --package causeway-parts [-- NAME]`.

use causeway_parts::hot_paths::{HOT_PATHS, named};
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

#[divan::bench(args = HOT_PATHS.iter().map(|path| path.name))]
fn hot_path(bencher: divan::Bencher<'_, '_>, name: &str) {
    let path = named(name).expect("it is on the list");
    let run = (path.prepare)();
    bencher.counter(ItemsCount::new(path.items)).bench_local(run);
}
