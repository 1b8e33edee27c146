//! The examples of the guide load.

use super::*;

const GUIDE: &str = include_str!("../../../docs/configuration.md");

fn examples() -> impl Iterator<Item = &'static str> {
    GUIDE.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next())
}

#[test]
fn every_example_of_the_guide_loads() {
    let world = world();
    assert!(examples().count() > 10);
    for example in examples() {
        if let Err(problems) = load_in(&world, &small_with(example)) {
            panic!("{example}\n\n{problems}");
        }
    }
}
