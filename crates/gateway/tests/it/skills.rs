//! Skills: called, confined, granted to a model, and shipped.

mod calls;
mod codex;
mod confinement;
mod files;
mod granted;
mod output;
mod remnants;
mod searches;
mod shipped;
mod test_runs;
