/// `GET /`: what there is, for a person who has just started the gateway.
pub(in crate::http) async fn show() -> &'static str {
    concat!(
        "Portcullis ",
        env!("CARGO_PKG_VERSION"),
        ": a self-hosted gateway for the OpenAI Codex CLI.\n\n",
        "POST /chat     ask a question: {\"message\": \"…\", \"context\": \"…\", \"stream\": true}\n",
        "GET  /skills   what can be run with {\"mode\": \"tool\", \"skill\": \"…\", \"extra\": {…}}\n",
        "GET  /livez    is the process alive\n",
        "GET  /readyz   should it be sent work, and if not, why\n\n",
        "curl -N http://HOST:PORT/chat -H 'Content-Type: application/json' -d '{\"message\": \"Hello?\"}'\n",
    )
}
