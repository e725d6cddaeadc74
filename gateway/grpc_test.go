package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// rpc is an instance that speaks gRPC.
type rpc struct {
	pb.UnimplementedTestServiceServer
	id     string
	server *grpc.Server
	calls  atomic.Int64
}

// newRPC starts one, by a server of gRPC's own.
func newRPC(t *testing.T, id string) (*rpc, gateway.Upstream) {
	t.Helper()
	s := &rpc{id: id, server: grpc.NewServer()}
	pb.RegisterTestServiceServer(s.server, s)
	l := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.server.Serve(l) }()
	t.Cleanup(func() { s.server.Stop(); <-done })
	return s, gateway.Upstream{ID: id, Addr: l.Addr().String()}
}

func (s *rpc) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	s.calls.Add(1)
	md, _ := metadata.FromIncomingContext(ctx)
	if in.ResponseSize > 0 { // until its deadline, which must have come along
		if _, ok := ctx.Deadline(); !ok {
			return nil, status.Error(codes.FailedPrecondition, "no deadline came")
		}
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-head", "h")); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "t")); err != nil {
		return nil, err
	}
	if st := in.ResponseStatus; st != nil {
		return nil, status.Error(codes.Code(st.Code), st.Message)
	}
	return &pb.SimpleResponse{ServerId: s.id, Username: strings.Join(md["plat-caller"], ","), Hostname: strings.Join(md[":authority"], ","), Payload: in.Payload}, nil
}

func (s *rpc) StreamingInputCall(stream grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	size := 0
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(size)})
		}
		if err != nil {
			return err
		}
		size += len(in.Payload.Body)
	}
}

func (s *rpc) FullDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			stream.SetTrailer(metadata.Pairs("x-tail", "t"))
			return status.Error(codes.DataLoss, "ünfinished 100%")
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: in.Payload}); err != nil {
			return err
		}
	}
}

func dialRPC(t *testing.T, addr, authority string) pb.TestServiceClient {
	t.Helper()
	o := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy()}
	if authority != "" {
		o = append(o, grpc.WithAuthority(authority))
	}
	conn, err := grpc.NewClient(addr, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewTestServiceClient(conn)
}

// rpcRig is a gateway before gRPC instances, with a client for each way in.
func rpcRig(t *testing.T, upstreams ...gateway.Upstream) (*rig, map[string]pb.TestServiceClient) {
	t.Helper()
	r := newRig(t, gateway.Options{}, upstreams...)
	quick := route("/", "shop")
	quick.Timeout = 1 // a nanosecond: gRPC has deadlines of its own
	r.SetRoutes("public", []plan.Route{quick})
	mesh := r.serve(t, r.Mesh("web", func(name string) gateway.MeshDecision {
		switch name {
		case "shop":
			return gateway.MeshDecision{Name: name, Timeout: 1}
		case "payroll":
			return gateway.MeshDecision{Name: name, Refused: true}
		}
		return gateway.MeshDecision{}
	}, nil))
	return r, map[string]pb.TestServiceClient{
		"public":  dialRPC(t, r.addr, ""),
		"edge":    dialRPC(t, r.serve(t, r.Edge("web", "shop", 1)), ""),
		"mesh":    dialRPC(t, mesh, "shop.internal"),
		"refused": dialRPC(t, mesh, "payroll.internal"),
		"unknown": dialRPC(t, mesh, "none.internal"),
	}
}

func payload(n int) *pb.Payload { return &pb.Payload{Body: make([]byte, n)} }

// TestRPC: every shape of call, by every way in, to instances of which the
// gateway does not know that they speak HTTP/2.
func TestRPC(t *testing.T) {
	t.Parallel()
	_, up := newRPC(t, "shop-1")
	r, clients := rpcRig(t, up)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for way, caller := range map[string]string{"public": "", "edge": "web", "mesh": "web"} {
		c := clients[way]
		var head, tail metadata.MD
		got, err := c.UnaryCall(ctx, &pb.SimpleRequest{Payload: payload(200 << 10)}, grpc.Header(&head), grpc.Trailer(&tail))
		if err != nil || got.ServerId != "shop-1" || got.Username != caller || len(got.Payload.Body) != 200<<10 {
			t.Errorf("%s: %v %v", way, got.GetServerId(), err)
		}
		if way == "mesh" && got.GetHostname() != "shop.internal" {
			t.Errorf("the authority became %q", got.GetHostname())
		}
		if len(head["x-head"]) != 1 || len(tail["x-tail"]) != 1 || len(head["x-correlation-id"]) != 1 {
			t.Errorf("%s: header %v, trailer %v", way, head, tail)
		}
		_, err = c.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.AlreadyExists), Message: "there: ü 50%"}})
		if st := status.Convert(err); st.Code() != codes.AlreadyExists || st.Message() != "there: ü 50%" {
			t.Errorf("%s: the instance's status became %v", way, st)
		}
		short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		if _, err = c.UnaryCall(short, &pb.SimpleRequest{ResponseSize: 1}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%s: the deadline gave %v", way, err)
		}
		stop()
		in, err := c.StreamingInputCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := in.Send(&pb.StreamingInputCallRequest{Payload: payload(10 << 10)}); err != nil {
				t.Fatalf("%s: %v", way, err)
			}
		}
		if got, err := in.CloseAndRecv(); err != nil || got.AggregatedPayloadSize != 500<<10 {
			t.Errorf("%s: %v %v", way, got, err)
		}
		both, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 { // each answer before the next question
			if err := both.Send(&pb.StreamingOutputCallRequest{Payload: payload(i * 1000)}); err != nil {
				t.Fatalf("%s: %v", way, err)
			}
			if got, err := both.Recv(); err != nil || len(got.GetPayload().GetBody()) != i*1000 {
				t.Fatalf("%s: answer %d: %v", way, i, err)
			}
		}
		_ = both.CloseSend()
		_, err = both.Recv()
		if st := status.Convert(err); st.Code() != codes.DataLoss || st.Message() != "ünfinished 100%" || len(both.Trailer()["x-tail"]) != 1 {
			t.Errorf("%s: the end %v, trailer %v", way, st, both.Trailer())
		}
	}
	eventually(t, "the rest", func() bool { return r.InFlight("shop-1") == 0 && r.Stats().InFlight == 0 })
}

// TestRPCBalances: calls of one connection are spread, and an instance that is
// gone costs none of them.
func TestRPCBalances(t *testing.T) {
	t.Parallel()
	one, up1 := newRPC(t, "shop-1")
	two, up2 := newRPC(t, "shop-2")
	r, clients := rpcRig(t, up1, up2)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, way := range []string{"public", "edge", "mesh"} {
		one.calls.Store(0)
		two.calls.Store(0)
		for range 60 {
			if _, err := clients[way].UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
				t.Fatalf("%s: %v", way, err)
			}
		}
		if a, b := one.calls.Load(), two.calls.Load(); a+b != 60 || a < 10 || b < 10 {
			t.Errorf("%s: spread as %d and %d", way, a, b)
		}
	}
	r.SetUpstreams("shop", []gateway.Upstream{up1, refused("shop-3")})
	for range 30 {
		if _, err := clients["mesh"].UnaryCall(ctx, &pb.SimpleRequest{Payload: payload(1000)}); err != nil {
			t.Fatalf("with an instance that is gone: %v", err)
		}
	}
	if r.Stats().Retries == 0 {
		t.Error("nothing was tried again")
	}
}

// TestRPCErrors: plat's own errors are statuses of gRPC, with code and message.
func TestRPCErrors(t *testing.T) {
	t.Parallel()
	plain := backend(t, "shop-1", echo) // speaks no HTTP/2
	r, clients := rpcRig(t, plain)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	check := func(way string, ctx context.Context, want codes.Code, texts ...string) {
		t.Helper()
		var head metadata.MD
		_, err := clients[way].UnaryCall(ctx, &pb.SimpleRequest{Payload: payload(100 << 10)}, grpc.Header(&head))
		st := status.Convert(err)
		if st.Code() != want {
			t.Errorf("%s: %v, want %v", way, st, want)
		}
		for _, text := range texts {
			if !strings.Contains(st.Message(), text) {
				t.Errorf("%s: %q lacks %q", way, st.Message(), text)
			}
		}
	}
	check("mesh", ctx, codes.Unavailable, "[gateway-upstream-failed]")
	check("refused", ctx, codes.PermissionDenied, "[drift-undeclared-call]", "plat plan add web consumes payroll", "plat why c")
	check("unknown", ctx, codes.Unimplemented, "[gateway-unknown-service]", "none")
	check("edge", metadata.AppendToOutgoingContext(ctx, "plat-timeout", "0"), codes.DeadlineExceeded, "[gateway-timeout]")
	r.SetUpstreams("shop", nil)
	for _, way := range []string{"public", "edge", "mesh"} {
		check(way, ctx, codes.Unavailable, "[gateway-no-instance]", "shop has no instance")
	}
	r.SetRoutes("public", nil)
	check("public", ctx, codes.Unimplemented, "[gateway-no-route]")
	// In the log and the counters they are the errors that they are.
	eventually(t, "the lines", func() bool { return len(r.log.all(t)) == 8 })
	for i, want := range []float64{502, 403, 502, 504, 503, 503, 503, 404} {
		if line := r.log.all(t)[i]; line["status"] != want {
			t.Errorf("line %v, want status %v", line, want)
		}
	}
	// What only calls itself gRPC, and comes by HTTP/1.1, gets a problem.
	problem(t, do(t, client(t, false), "POST", "http://"+r.addr+"/", "x", "Content-Type", "application/grpc"), 404, "gateway-no-route")
	problem(t, do(t, client(t, true), "POST", "http://"+r.addr+"/", "x", "Content-Type", "application/grpc-web"), 404, "gateway-no-route")
}

// TestRPCBreaksOff: a stream whose instance dies ends with a status.
func TestRPCBreaksOff(t *testing.T) {
	t.Parallel()
	s, up := newRPC(t, "shop-1")
	r, clients := rpcRig(t, up)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var streams []grpc.BidiStreamingClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
	for _, way := range []string{"public", "edge", "mesh"} {
		both, err := clients[way].FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := both.Send(&pb.StreamingOutputCallRequest{Payload: payload(5)}); err != nil {
			t.Fatal(err)
		}
		if _, err := both.Recv(); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, both)
	}
	silent, err := clients["edge"].StreamingInputCall(ctx) // no answer has begun
	if err != nil {
		t.Fatal(err)
	}
	if err := silent.Send(&pb.StreamingInputCallRequest{Payload: payload(5)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the streams to arrive", func() bool { return r.InFlight("shop-1") == 4 })
	s.server.Stop()
	if st := status.Convert(silent.RecvMsg(new(pb.StreamingInputCallResponse))); st.Code() != codes.Unavailable || !strings.Contains(st.Message(), "[gateway-upstream-failed]") {
		t.Errorf("the stream without an answer ended with %v", st)
	}
	for _, both := range streams {
		_, err := both.Recv()
		if st := status.Convert(err); st.Code() != codes.Unavailable || !strings.Contains(st.Message(), "shop broke off") {
			t.Errorf("the stream ended with %v", st)
		}
	}
	eventually(t, "the rest", func() bool { return r.Stats().InFlight == 0 })
}

// TestRPCBesideHTTP: one instance that speaks both on one port gets each in its
// own protocol.
func TestRPCBesideHTTP(t *testing.T) {
	t.Parallel()
	s := &rpc{id: "shop-1", server: grpc.NewServer()}
	pb.RegisterTestServiceServer(s.server, s)
	t.Cleanup(s.server.Stop)
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	var plain atomic.Value
	up := serveBackend(t, "shop-1", &http.Server{Protocols: p, ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			s.server.ServeHTTP(w, r)
			return
		}
		plain.Store(r.Proto)
	})}, false)
	r, clients := rpcRig(t, up)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := clients["mesh"].UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
		t.Error(err)
	}
	r.SetRoutes("public", []plan.Route{route("/", "shop")})
	if a := do(t, client(t, true), "GET", "http://"+r.addr+"/", ""); a.StatusCode != 200 || plain.Load() != "HTTP/1.1" {
		t.Errorf("a plain request: %d by %v", a.StatusCode, plain.Load())
	}
}

// TestRPCOutside: gRPC to an external service without TLS.
func TestRPCOutside(t *testing.T) {
	t.Parallel()
	_, up := newRPC(t, "shop-1")
	r, _ := rpcRig(t, up)
	h, err := r.ExternalEdge("web", "stripe", "http://"+up.Addr, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := dialRPC(t, r.serve(t, h), "").UnaryCall(ctx, &pb.SimpleRequest{})
	if err != nil || got.Username != "" || got.Hostname != up.Addr {
		t.Errorf("%v %v", got, err)
	}
}

// TestRPCClientGone: a caller that goes away ends the instance's work.
func TestRPCClientGone(t *testing.T) {
	t.Parallel()
	_, up := newRPC(t, "shop-1")
	r, clients := rpcRig(t, up)
	ctx, cancel := context.WithCancel(t.Context())
	both, err := clients["mesh"].FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := both.Send(&pb.StreamingOutputCallRequest{Payload: payload(5)}); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	eventually(t, "the instance to be free", func() bool { return r.InFlight("shop-1") == 0 && r.Stats().InFlight == 0 })
	again, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if _, err := clients["mesh"].UnaryCall(again, &pb.SimpleRequest{}); err != nil {
		t.Error(err)
	}
}
