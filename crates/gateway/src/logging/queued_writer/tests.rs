use std::io::{BufRead as _, BufReader, PipeReader, Read as _, pipe};

use super::*;

const PATIENCE: Duration = Duration::from_secs(15);

fn tell(lost: u64) -> Vec<u8> {
    format!("{lost} lost\n").into_bytes()
}

fn line_of(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length - 1];
    line.push(b'\n');
    line
}

fn writer_into_a_pipe() -> (QueuedWriter, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    (QueuedWriter::start(&writer, tell).unwrap(), reader)
}

#[test]
fn lines_arrive_in_order() {
    let (writer, reader) = writer_into_a_pipe();
    for number in 0..100 {
        writer.push(format!("{number}\n").into_bytes());
    }
    writer.flush(PATIENCE);
    let lines = BufReader::new(reader).lines().take(100);
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(at, line)| *line == at.to_string())
    );
    assert_eq!(writer.flow(), Flow::default());
}

#[test]
fn a_reader_that_does_not_read_costs_lines_and_no_time() {
    let (writer, mut reader) = writer_into_a_pipe();
    for _ in 0..10_000 {
        writer.push(line_of(1000));
    }
    // Nothing moves: this must give up.
    writer.flush(Duration::from_millis(10));
    let flow = writer.flow();
    assert!(flow.lost > 8000, "{flow:?}");
    assert_eq!(flow.untold, flow.lost);
    assert!(flow.writing >= Duration::from_millis(10), "{flow:?}");

    let mut read = Vec::new();
    let told = format!("{} lost\n", flow.lost);
    let mut piece = [0; 4096];
    while !read.ends_with(told.as_bytes()) {
        let count = reader.read(&mut piece).unwrap();
        read.extend_from_slice(&piece[..count]);
        // The count may stand before lines that were queued before it.
        if let Some(at) = read
            .windows(told.len())
            .position(|window| window == told.as_bytes())
        {
            read.truncate(at + told.len());
        }
    }
    thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    writer.flush(PATIENCE);
    assert_eq!(writer.flow().untold, 0);
    assert_eq!(writer.flow().lost, flow.lost);
}

#[test]
fn a_reader_that_has_gone_costs_lines_only() {
    let (writer, reader) = writer_into_a_pipe();
    drop(reader);
    for _ in 0..10 {
        writer.push(line_of(10));
    }
    writer.flush(PATIENCE);
    let flow = writer.flow();
    assert_eq!((flow.lost, flow.untold), (10, 10));
}

#[test]
fn a_full_disk_costs_lines_only() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let writer = QueuedWriter::start(&full, tell).unwrap();
    writer.push(line_of(10));
    writer.flush(PATIENCE);
    assert_eq!(writer.flow().untold, 1);
}
