//! Makes cargo notice a new migration, which the compiler alone does not.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
