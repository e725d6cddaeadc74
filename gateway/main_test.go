package gateway_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // most of them wait for times to pass; a flag of the command line counts more
	goleak.VerifyTestMain(m)
}
