package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// linked finds the scripts and styles that the console's page names: what a
// browser loads before it shows anything.
var linked = regexp.MustCompile(`(?:src|href)="(/assets/[^"]+\.(?:js|css))"`)

// console measures how soon the console is there after plat up, how much a
// browser loads for its first page, and what plat costs while MusicCorp idles.
func (b bench) console(ctx context.Context) (err error) {
	system, err := b.musiccorp(ctx)
	if err != nil {
		return err
	}
	state := filepath.Join(system, ".plat")
	defer func() {
		if _, running := os.Stat(filepath.Join(state, "run.json")); running == nil {
			err = errors.Join(err, b.run(context.WithoutCancel(ctx), system, "down"))
		}
	}()
	const rounds = 5
	var times []time.Duration
	var base string
	for n := range rounds {
		if n > 0 {
			if err := b.run(ctx, system, "down"); err != nil {
				return err
			}
		}
		if base, err = b.upSomewhere(ctx, system); err != nil {
			return err
		}
		began := time.Now()
		if err := firstPage(ctx, base, nil); err != nil {
			return err
		}
		times = append(times, time.Since(began))
	}
	show("plat up is ready to the console's page, with all it names", sorted(times), "≤ 200 ms")
	sizes := map[string]int{}
	if err := firstPage(ctx, base, sizes); err != nil {
		return err
	}
	for _, part := range []struct{ name, suffix, aim string }{
		{"page", "/", "-"}, {"style", ".css", "-"}, {"script", ".js", "≤ 400 KB"},
	} {
		bytes := 0
		for path, size := range sizes {
			if strings.HasSuffix(path, part.suffix) {
				bytes += size
			}
		}
		fmt.Printf("%-58s %7.1f KB  aim %s\n", part.name+" of the console's first page, compressed", float64(bytes)/1000, part.aim)
	}
	select { // idle: the checks go on, nothing else
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
	}
	text, err := b.output(ctx, system, "ps", "--platform")
	if err != nil {
		return err
	}
	fmt.Printf("plat ps --platform, MusicCorp idle for 10 s:\n%s", text)
	return nil
}

// upSomewhere starts a system on free addresses and returns that of its API.
func (b bench) upSomewhere(ctx context.Context, system string) (api string, err error) {
	gateway, err := freeAddr()
	if err != nil {
		return "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return "", err
	}
	if err := b.run(ctx, system, "up", "-d", "--gateway", gateway, "--api", addr); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(system, ".plat", "run.json")) //nolint:gosec // below the bench's own folder
	if err != nil {
		return "", err
	}
	var run struct{ API string }
	if err := json.Unmarshal(text, &run); err != nil {
		return "", err
	}
	return run.API, nil
}

// firstPage loads the console's page and what it names, as a browser without a
// cache does, and notes the bytes of each on the wire.
func firstPage(ctx context.Context, base string, sizes map[string]int) error {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}} // as it is on the wire
	defer client.CloseIdleConnections()
	load := func(path string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("GET %s: %s", path, resp.Status)
		}
		if sizes != nil {
			sizes[path] = len(text)
		}
		return string(text), err
	}
	page, err := load("/")
	if err != nil {
		return err
	}
	all := linked.FindAllStringSubmatch(page, -1)
	if len(all) == 0 {
		return errors.New("the console's page names no script")
	}
	for _, link := range all {
		if _, err := load(link[1]); err != nil {
			return err
		}
	}
	return nil
}
