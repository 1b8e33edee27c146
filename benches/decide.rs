//! What a decision costs.

fn main() {
    divan::main();
}
