package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/plat-dev/plat/musiccorp/services/warehouse/stockv1"
	"github.com/plat-dev/plat/musiccorp/services/warehouse/stockv1/stockv1connect"
)

// dial makes a gRPC client as any program has one, by HTTP/2 without TLS.
func (r *running) dial(t *testing.T, header ...string) stockv1connect.StockServiceClient {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return stockv1connect.NewStockServiceClient(&http.Client{Transport: headers{transport, header}}, r.base, connect.WithGRPC())
}

// headers sends more headers with each request.
type headers struct {
	next http.RoundTripper
	add  []string
}

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for i := 0; i < len(h.add); i += 2 {
		r.Header.Set(h.add[i], h.add[i+1])
	}
	return h.next.RoundTrip(r)
}

func TestGetAvailability(t *testing.T) {
	t.Parallel()
	r := start(t)
	got, err := r.dial(t).GetAvailability(t.Context(), &stockv1.GetAvailabilityRequest{Skus: []string{"MC-0013", "MC-9999", "MC-0001"}})
	if err != nil {
		t.Fatal(err)
	}
	want := &stockv1.GetAvailabilityResponse{Albums: []*stockv1.Availability{{Sku: "MC-0001", Available: 51}, {Sku: "MC-0013"}}}
	if !proto.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGetAvailabilityRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	many := make([]string, maxSKUs+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, c := range map[string]struct {
		skus []string
		code connect.Code
		says string
	}{
		"none":     {nil, connect.CodeInvalidArgument, "there are 0 skus"},
		"too many": {many, connect.CodeInvalidArgument, "there are 101 skus"},
		"too long": {[]string{"MC-0001", strings.Repeat("a", 21)}, connect.CodeInvalidArgument, "skus[1] has 21 bytes"},
		"too big":  {[]string{strings.Repeat("a", maxMessage)}, connect.CodeResourceExhausted, ""},
	} {
		_, err := r.dial(t).GetAvailability(t.Context(), &stockv1.GetAvailabilityRequest{Skus: c.skus})
		if connect.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTroubleIsACode: what goes wrong within is told by its code and the
// correlation ID, not by its cause.
func TestTroubleIsACode(t *testing.T) {
	t.Parallel()
	r := start(t)
	ask := &stockv1.GetAvailabilityRequest{Skus: []string{"MC-0001"}}
	if _, err := r.dial(t, "Plat-Timeout", "0").GetAvailability(t.Context(), ask); err == nil || connect.CodeOf(err) == connect.CodeInternal || connect.CodeOf(err) == connect.CodeUnknown {
		t.Errorf("without time: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := r.dial(t).GetAvailability(late, ask); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Errorf("too late: %v", err)
	}
	if _, err := r.db.ExecContext(t.Context(), `ALTER TABLE stock RENAME TO lost`); err != nil {
		t.Fatal(err)
	}
	_, err := r.dial(t, "X-Correlation-ID", "trail-7").GetAvailability(t.Context(), ask)
	if connect.CodeOf(err) != connect.CodeInternal || !strings.Contains(err.Error(), "trail-7") || strings.Contains(err.Error(), "stock") {
		t.Errorf("without its table: %v", err)
	}
	if e, ok := errors.AsType[*connect.Error](err); !ok || e.Meta().Get("X-Correlation-Id") != "trail-7" {
		t.Errorf("metadata of %v", err)
	}
}

// TestProtoIsWhatIsServed holds the generated code to api/stock.proto.
func TestProtoIsWhatIsServed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("api", "stock.proto"))
	if err != nil {
		t.Fatal(err)
	}
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"stock.proto": string(source)}),
	}}
	files, err := compiler.Compile(t.Context(), "stock.proto")
	if err != nil {
		t.Fatal(err)
	}
	want, got := protodesc.ToFileDescriptorProto(files[0]), protodesc.ToFileDescriptorProto(stockv1.File_stock_proto)
	got.Options = want.Options // the Go package, which the script gives
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("run tools/proto (-api/stock.proto +code):\n%s", diff)
	}
}
