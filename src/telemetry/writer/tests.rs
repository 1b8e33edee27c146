use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;
use crate::base::time::Timestamp;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that nobody reads until a permit arrives.
struct Stuck {
    entered: SyncSender<()>,
    permits: Receiver<()>,
    out: Memory,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.try_send(());
        let _ = self.permits.recv();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn dropped(metrics: &Metrics) -> String {
    let text = metrics.render(Timestamp::from_secs(0));
    let line = text.lines().find(|line| line.starts_with("sidegate_log_lines_dropped_total "));
    line.unwrap_or_default().rsplit(' ').next().unwrap_or_default().into()
}

#[test]
fn lines_of_many_threads_arrive_whole_and_none_is_lost() {
    let out = Memory::default();
    let writer = LineWriter::start(out.clone(), 1 << 24, &Metrics::new()).unwrap();
    thread::scope(|scope| {
        for n in 0..4 {
            let writer = writer.clone();
            scope.spawn(move || {
                (0..1000).for_each(|k| writer.append(format!("{n}-{k}-{n}\n").as_bytes()));
            });
        }
    });
    writer.flush(PATIENCE);
    let bytes = out.0.lock().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 4000);
    assert!(text.lines().all(|line| line.split('-').next() == line.split('-').next_back()));
}

#[test]
fn an_output_that_nobody_reads_costs_lines_and_never_time() {
    let (entered, stuck) = sync_channel(1);
    let (permit, permits) = sync_channel(1000);
    let out = Memory::default();
    let metrics = Metrics::new();
    let sink = Stuck { entered, permits, out: out.clone() };
    let writer = LineWriter::start(sink, 100, &metrics).unwrap();
    writer.append(b"first 10b\n");
    stuck.recv_timeout(PATIENCE).unwrap();
    (0..15).for_each(|_| writer.append(b"ten bytes\n"));
    assert_eq!(dropped(&metrics), "5");
    (0..1000).for_each(|_| permit.send(()).unwrap());
    writer.flush(PATIENCE);
    assert_eq!(out.0.lock().len(), 110);
}

#[test]
fn flush_gives_up_on_an_output_that_is_stuck() {
    let (entered, stuck) = sync_channel(1);
    let (_permit, permits) = sync_channel(1);
    let sink = Stuck { entered, permits, out: Memory::default() };
    let writer = LineWriter::start(sink, 100, &Metrics::new()).unwrap();
    writer.append(b"line\n");
    stuck.recv_timeout(PATIENCE).unwrap();
    writer.flush(Duration::from_millis(20));
}
