package otlp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // registers gzip with gRPC, as that library wants it
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ServeGRPC answers the services of traces, metrics and logs on l until ctx
// ends. Then it takes no more requests, lets those under way end for at most
// five seconds, and returns nil. It returns earlier, with the cause, when l
// fails. l is closed.
func (r *Receiver) ServeGRPC(ctx context.Context, l net.Listener) error {
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.MaxRecvMsgSize(r.limits.Body),
		grpc.MaxConcurrentStreams(uint32(min(r.limits.Requests, 1<<10))), // #nosec G115 -- just compared
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 10 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
	)
	for _, s := range []signal{traces, metrics, logs} {
		server.RegisterService(r.service(s), r)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		cut := time.AfterFunc(drain, server.Stop)
		server.GracefulStop()
		cut.Stop()
		err = <-done
	}
	r.reading.Wait()
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// service describes one signal's service. Its method is declared as a stream,
// though only one message goes each way, which is the same on the wire: so it
// can refuse before the message is read into memory.
func (r *Receiver) service(s signal) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: services[s],
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    "Export",
			ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error {
				o := r.call(stream, s)
				r.count(o.kind)
				if o.kind != taken {
					return o.grpcError()
				}
				return stream.SendMsg(o.response())
			},
		}},
	}
}

const collector = "opentelemetry.proto.collector."

var services = [...]string{ //nolint:gochecknoglobals // a constant table
	traces: collector + "trace.v1.TraceService", metrics: collector + "metrics.v1.MetricsService", logs: collector + "logs.v1.LogsService",
}

// call reads a request and has it taken.
func (r *Receiver) call(stream grpc.ServerStream, s signal) outcome {
	if !r.enter(stream.Context()) {
		return outcome{kind: crowded, message: "too many requests at once", later: laterCrowded}
	}
	defer r.leave()
	type received struct {
		raw []byte
		err error
	}
	read := make(chan received, 1)
	r.reading.Go(func() { // ends when the message is there, or with the stream
		var m received
		m.err = stream.RecvMsg(&m.raw)
		read <- m
	})
	slow := time.NewTimer(r.limits.Read)
	defer slow.Stop()
	select {
	case m := <-read:
		if m.err == nil {
			return r.take(stream.Context(), s, m.raw)
		}
		if status.Code(m.err) == codes.ResourceExhausted { // said by gRPC itself
			return r.tooLarge()
		}
		return outcome{kind: malformed, message: "the message cannot be read: " + status.Convert(m.err).Message()}
	case <-slow.C:
		return outcome{kind: tooSlow, message: "the message did not come within " + r.limits.Read.String()}
	}
}

// grpcError is the outcome with what tells the sender when to send it again.
// Without that, RESOURCE_EXHAUSTED is final.
func (o outcome) grpcError() error {
	s := status.New(o.code(), o.message)
	if o.later > 0 {
		if detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(o.later)}); err == nil {
			s = detailed
		}
	}
	return s.Err()
}

// rawCodec leaves messages as the bytes that they are.
type rawCodec struct{}

// Marshal takes a []byte.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	raw, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("a message of type %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
}

// Unmarshal sets a *[]byte to a copy.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	raw, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a message of type %T", v)
	}
	*raw = data.Materialize()
	return nil
}

// Name is that of protobuf, which the bytes are.
func (rawCodec) Name() string { return "proto" }
