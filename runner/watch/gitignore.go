package watch

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ignoreTimeout bounds one question to git.
const ignoreTimeout = 3 * time.Second

// gitIgnored tells which paths below a folder git ignores: of those given, or,
// when none is given, all that are there, where a folder stands for all below
// it. Paths are absolute. Without git, outside of a repository, or when git
// takes longer than 3 s, nothing is ignored.
func gitIgnored(folder string, paths []string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), ignoreTimeout)
	defer cancel()
	base := []string{"-c", "core.fsmonitor=false", "-C", folder}
	args := append(base, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
	if len(paths) > 0 {
		args = append(base, "check-ignore", "-z", "--stdin")
	}
	cmd := exec.CommandContext(ctx, "git", args...) // #nosec G204 -- a folder of the system
	cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0")
	if len(paths) > 0 {
		cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
	}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil // check-ignore says by 1 that it found nothing
	}
	var ignored []string
	for path := range bytes.SplitSeq(out, []byte{0}) {
		if len(path) == 0 {
			continue
		}
		name := string(path)
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, filepath.FromSlash(name))
		}
		ignored = append(ignored, filepath.Clean(name))
	}
	return ignored
}
