//! The processes of the driver `app-server`.

mod processes;
mod under_load;
