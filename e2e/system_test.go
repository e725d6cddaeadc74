package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// system saves the files of a system in a folder of its own. DUMMY stands for
// the dummy's program.
func system(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	dummy := filepath.Join(house.Bin(t), "dummy")
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DUMMY", fmt.Sprintf("%q", dummy))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// operator is a client of the control API with its token.
func operator(t *testing.T, h *house.House) *api.Client {
	t.Helper()
	return api.NewClient(h.API, tokenOf(t, h.Dir))
}

// gave is the value of a variable that plat gave a service.
func gave(t *testing.T, h *house.House, service, name string) string {
	t.Helper()
	d, err := operator(t, h).Describe(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range d.Environment {
		if v.Name == name {
			return v.Value
		}
	}
	t.Fatalf("%s was given no %s", service, name)
	return ""
}

// again starts the plat of a system that was stopped or killed.
func again(t *testing.T, h *house.House) {
	t.Helper()
	if out, code := h.Plat("up", "-d", "--gateway", house.FreeAddr(t), "--api", house.FreeAddr(t)); code != 0 {
		t.Fatalf("plat up again: exit %d\n%s", code, out)
	}
	h.Learn()
}

// stopped stops a system as people do.
func stopped(t *testing.T, h *house.House) {
	t.Helper()
	if out, code := h.Plat("down"); code != 0 {
		t.Fatalf("plat down: exit %d\n%s", code, out)
	}
}

// killed ends plat as the kernel does when memory is short, and waits until
// nothing of it runs.
func killed(t *testing.T, h *house.House) {
	t.Helper()
	if err := syscall.Kill(h.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	house.Until(t, "everything has ended", func() (bool, string) {
		left := family(t, h.Dir)
		return len(left) == 0 && !house.Alive(h.PID), fmt.Sprint(left)
	})
}

// hosted asks an address under another host.
func hosted(t *testing.T, client *http.Client, url, host string) house.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	return sent(t, client, req)
}

// sent sends a request and reads its answer.
func sent(t *testing.T, client *http.Client, req *http.Request) house.Answer {
	t.Helper()
	a, err := house.Send(client, req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// edge finds a call on the map.
func edge(t *testing.T, h *house.House, from, to string) (e api.Edge, ok bool) {
	t.Helper()
	m, err := operator(t, h).Map(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Edges {
		if e.Kind == "call" && e.From == from && e.To == to {
			return e, true
		}
	}
	return api.Edge{}, false
}

// contains fails the test when a text lacks one of the words.
func contains(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s does not say %q: %s", what, word, text)
		}
	}
}

// problem is what people read of an answer that is none.
type problem struct {
	Code, Title, Detail, Remedy, ID string
	Status                          int
}
