//! The gateway as its callers and its operator meet it: real sockets, real processes, the real Codex
//! CLI; the fake one only for what the real one does not do on command.

// The harness.
#[cfg(test)]
mod caller;
#[cfg(test)]
mod captured_log;
#[cfg(test)]
mod codex;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod skilled;
#[cfg(test)]
mod test_app;
#[cfg(test)]
mod world;

// What is proven.
#[cfg(test)]
mod answers;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod child;
#[cfg(test)]
mod codex_skills;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod disconnects;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod fail_closed;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod finish;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lent_skills;
#[cfg(test)]
mod log;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod pool_under_load;
#[cfg(test)]
mod program;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod redaction_filter;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod remnants;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sandbox_comforts;
#[cfg(test)]
mod sandbox_evasion;
#[cfg(test)]
mod skill_calls;
#[cfg(test)]
mod skill_confinement;
#[cfg(test)]
mod skill_files;
#[cfg(test)]
mod skill_output;
#[cfg(test)]
mod skill_remnants;
#[cfg(test)]
mod skill_searches;
#[cfg(test)]
mod skills_shipped;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod test_runs;
#[cfg(test)]
mod turn_processes;
#[cfg(test)]
mod unprivileged;
#[cfg(test)]
mod way_out;
