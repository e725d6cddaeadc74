package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	plat "github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestEachLineIsOneRecord: a program prints many lines at once, of which several
// bear one time, and does so again after plat was killed and after it ended. Each
// line is a record once.
func TestEachLineIsOneRecord(t *testing.T) {
	t.Parallel()
	const lines = 2000
	h := house.Up(t, system(t, map[string]string{
		"plat.yaml":                   callsPlan,
		"services/front/service.yaml": fmt.Sprintf("service: front\nowner: team\nrun: [DUMMY, -flood, \"%d\"]\n", lines),
	}))
	records := func(times int) {
		t.Helper()
		house.Until(t, "all lines are records", func() (bool, string) {
			found, err := operator(t, h).LogOverview(t.Context(), plat.LogSearchQuery{Text: strings.Repeat("x", 200)})
			if err != nil {
				return false, err.Error()
			}
			if found.Total > int64(times)*lines {
				t.Fatalf("%d records of %d lines", found.Total, times*lines)
			}
			return found.Total == int64(times)*lines, fmt.Sprint(found.Total)
		})
	}
	records(1)
	killed(t, h)
	again(t, h)
	records(2)
	stopped(t, h)
	again(t, h)
	records(3)
}

// TestRecordsWithoutSpans: a program that samples its spans away sends records that
// name a trace all the same.
func TestRecordsWithoutSpans(t *testing.T) {
	t.Parallel()
	h := house.Up(t, calls(t))
	told, err := operator(t, h).Telemetry(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const id = "5b8efff798038103d269b633813fc60c"
	body := `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"till"}}]},"scopeLogs":[{"logRecords":[` +
		`{"timeUnixNano":"` + fmt.Sprint(time.Now().UnixNano()) + `","traceId":"` + id + `","spanId":"eee19b7ec3c1b174","severityNumber":9,"body":{"stringValue":"sampled away"}}]}]}]}`
	for _, l := range told.OTLP {
		if l.Protocol == "http" {
			if a := house.Call(t, http.MethodPost, l.URL+"/v1/logs", json.RawMessage(body)); a.Status != http.StatusOK {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
	}
	house.Until(t, "the record, by its trace", func() (bool, string) {
		out, code := h.Plat("logs", "--trace", id)
		return code == 0 && strings.Contains(out, "sampled away"), out
	})
	if out, code := h.Plat("logs", "till"); code != 0 || !strings.Contains(out, "sampled away") {
		t.Errorf("plat logs till: exit %d\n%s", code, out)
	}
	for _, line := range [][]string{{"logs", "tilll"}, {"logs", "tilll", "--search", "x"}, {"traces", "tilll"}} {
		if out, code := h.Plat(line...); code != 1 || !strings.Contains(out, "no-such-service") {
			t.Errorf("plat %v: exit %d\n%s", line, code, out)
		}
	}
	out, code := h.Plat("trace", id)
	if code != 0 || !strings.Contains(out, "no span of the trace "+id+" is kept") {
		t.Errorf("plat trace: exit %d\n%s", code, out)
	}
	if out, code := h.Plat("why", id); code != 0 || !strings.Contains(out, "sampled away") {
		t.Errorf("plat why: exit %d\n%s", code, out)
	}
}
