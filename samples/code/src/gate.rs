/// A gate that is too heavy stays down.
pub fn raise_gate(weight: u32) -> bool {
    weight < 500
}
