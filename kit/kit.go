package kit
import (
_ "github.com/nats-io/nats.go/jetstream"
_ "go.opentelemetry.io/otel"
_ "go.opentelemetry.io/otel/propagation"
_ "go.opentelemetry.io/otel/sdk/trace"
_ "go.opentelemetry.io/otel/sdk/resource"
_ "go.opentelemetry.io/otel/trace"
_ "go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
_ "modernc.org/sqlite"
_ "github.com/google/go-cmp/cmp"
_ "go.uber.org/goleak"
_ "go.opentelemetry.io/proto/otlp/collector/trace/v1"
_ "google.golang.org/protobuf/proto"
)
