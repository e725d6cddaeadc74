// Package telemetry is what the running system tells of itself: spans and log
// records come in, are made safe (redacted, bounded, put right in time), kept,
// and found again by their trace, their correlation ID, their text.
//
// It owns the vocabulary of rows, the pipeline before the store and the
// questions that can be asked. It must never import an engine or a wire
// format: doors do (telemetry/segment keeps rows in Parquet files,
// telemetry/otlp takes them in, telemetry/jaeger shows them, telemetry/prom
// keeps metrics).
package telemetry
