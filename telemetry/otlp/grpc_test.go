package otlp_test

import (
	"net"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// client is the generated client of the service of traces.
func client(t *testing.T, address string) collector.TraceServiceClient {
	t.Helper()
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return collector.NewTraceServiceClient(c)
}

func request(spans ...*tracepb.Span) *collector.ExportTraceServiceRequest {
	return &collector.ExportTraceServiceRequest{ResourceSpans: inTraces(spans...).ResourceSpans}
}

func TestGRPCAnswers(t *testing.T) {
	t.Parallel()
	s := &sink{}
	r, address := serveGRPC(t, s, otlp.Limits{Body: 1 << 20})
	c := client(t, address)
	good := &tracepb.Span{TraceId: aTrace, SpanId: aSpan}
	answer, err := c.Export(ctx(t), request(good, &tracepb.Span{}))
	if err != nil || answer.GetPartialSuccess().GetRejectedSpans() != 1 || answer.GetPartialSuccess().GetErrorMessage() == "" {
		t.Errorf("%v, %v", answer, err)
	}
	if answer, err = c.Export(ctx(t), request(good)); err != nil || answer.GetPartialSuccess() != nil {
		t.Errorf("%v, %v", answer, err)
	}
	for _, test := range []struct {
		err   error
		code  codes.Code
		later time.Duration
	}{
		{telemetry.ErrBusy, codes.Unavailable, 2 * time.Second},
		{fault.New(fault.TelemetryDiskFull, "no room"), codes.Unavailable, 30 * time.Second},
		{net.ErrClosed, codes.Internal, 0},
	} {
		s.fail(test.err)
		_, err := c.Export(ctx(t), request(good))
		st := status.Convert(err)
		if st.Code() != test.code {
			t.Errorf("%v: %v", test.err, err)
		}
		var later time.Duration
		for _, detail := range st.Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				later = info.RetryDelay.AsDuration()
			}
		}
		if later != test.later {
			t.Errorf("%v: again after %v", test.err, later)
		}
	}
	s.fail(nil)
	if _, err := c.Export(ctx(t), request(&tracepb.Span{TraceId: aTrace, SpanId: aSpan, Name: strings.Repeat("x", 2<<20)})); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("too large: %v", err)
	}
	if got := r.Stats(); got.Spans != 2 || got.Rejected != 1 || got.Refused != 2 || got.Failed != 1 || got.Malformed != 1 || got.Requests != 6 {
		t.Errorf("%+v", got)
	}
}

// raw sends bytes as a message.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)   { return []byte(v.(string)), nil }
func (raw) Unmarshal(_ []byte, _ any) error { return nil }
func (raw) Name() string                    { return "proto" }

func TestGRPCMalformed(t *testing.T) {
	t.Parallel()
	_, address := serveGRPC(t, &sink{}, otlp.Limits{})
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, service := range []string{"trace.v1.TraceService", "metrics.v1.MetricsService", "logs.v1.LogsService"} {
		for message, want := range map[string]codes.Code{"": codes.OK, "\x78\x01": codes.OK, "\x0a\xff": codes.InvalidArgument, "\x0a\x02\x12\x7f": codes.InvalidArgument} {
			var none string
			if err := c.Invoke(ctx(t), "/opentelemetry.proto.collector."+service+"/Export", message, &none); status.Code(err) != want {
				t.Errorf("%s: %q: %v", service, message, err)
			}
		}
	}
}

// TestGRPCCrowded: while all places are taken, others are told to come again.
func TestGRPCCrowded(t *testing.T) {
	t.Parallel()
	s := &sink{hold: make(chan struct{})}
	r, address := serveGRPC(t, s, otlp.Limits{Requests: 1, Wait: time.Millisecond})
	first := make(chan error, 1)
	good := request(&tracepb.Span{TraceId: aTrace, SpanId: aSpan})
	go func() {
		_, err := client(t, address).Export(ctx(t), good)
		first <- err
	}()
	eventually(t, "the first is under way", s.holds)
	if _, err := client(t, address).Export(ctx(t), good); status.Code(err) != codes.Unavailable || len(status.Convert(err).Details()) != 1 {
		t.Error(err)
	}
	close(s.hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if got := r.Stats(); got.Refused == 0 {
		t.Errorf("%+v", got)
	}
}

// TestGRPCSlow: a place is not held for ever by a call whose message does not
// come.
func TestGRPCSlow(t *testing.T) {
	t.Parallel()
	r, address := serveGRPC(t, &sink{}, otlp.Limits{Requests: 1, Read: time.Second})
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stream, err := c.NewStream(ctx(t), &grpc.StreamDesc{ClientStreams: true}, "/opentelemetry.proto.collector.trace.v1.TraceService/Export")
	if err != nil {
		t.Fatal(err)
	}
	var answer collector.ExportTraceServiceResponse
	if err := stream.RecvMsg(&answer); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
	if _, err := client(t, address).Export(ctx(t), request()); err != nil {
		t.Errorf("the place is not free again: %v", err)
	}
	if got := r.Stats(); got.Malformed != 1 || got.Requests != 2 {
		t.Errorf("%+v", got)
	}
}
