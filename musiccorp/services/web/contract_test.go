package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/plat-dev/plat/musiccorp/services/web/stockv1"
)

// TestProtoIsTheWarehouses holds the generated code to what the warehouse
// publishes.
func TestProtoIsTheWarehouses(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("..", "warehouse", "api", "stock.proto"))
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
		t.Errorf("run tools/proto (-stock.proto +code):\n%s", diff)
	}
}
