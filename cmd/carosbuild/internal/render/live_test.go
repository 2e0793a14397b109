// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
)

// liveChild is set for the process that shows a live view inside of tmux.
const liveChild = "CAROSBUILD_TEST_LIVE"

func TestMain(m *testing.M) {
	if os.Getenv(liveChild) != "" {
		showLive()
		return
	}
	os.Exit(m.Run())
}

// showLive shows a view that stays as it is until a key is hit.
func showLive() {
	l := newLive(os.Stdout, TerminalSize(os.Stdout), false)
	at := time.Now()
	l.Show(progress.Event{Time: at, Kind: progress.Begun, Stages: 3, Steps: 9})
	l.Show(progress.Event{Time: at, Kind: progress.StepDone, Stage: "base", Step: 1, Steps: 4, Seconds: 62, Text: "RUN first " + strings.Repeat("x", 300)})
	for _, stage := range []string{"web", "api"} {
		l.Show(progress.Event{Time: at, Kind: progress.StepStarted, Stage: stage, Step: 2, Steps: 4, Text: "RUN " + strings.Repeat(stage+" ", 100)})
		l.Show(progress.Event{Time: at, Kind: progress.StepOutput, Stage: stage, Text: strings.Repeat("output ", 50)})
	}
	l.Show(progress.Event{Time: at, Kind: progress.Progress, Text: "download packages", Done: 45, Total: 100})
	var key [1]byte
	_, _ = os.Stdin.Read(key[:])
	l.Close()
	fmt.Println("THE END")
	_, _ = os.Stdin.Read(key[:])
}

// tmux is a terminal of so many columns with the view in it.
type tmux struct {
	t      *testing.T
	socket string
}

func startTmux(t *testing.T, width int) tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil && os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "" {
		t.Skip("tmux is not installed")
	}
	m := tmux{t, t.TempDir() + "/s"}
	m.run("-u", "new-session", "-d", "-x", strconv.Itoa(width), "-y", "20", "stty -echo -icanon; "+liveChild+"=1 exec "+os.Args[0])
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", m.socket, "kill-server").Run() })
	return m
}

func (m tmux) run(args ...string) string {
	m.t.Helper()
	out, err := exec.CommandContext(m.t.Context(), "tmux", append([]string{"-f", "/dev/null", "-S", m.socket}, args...)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// wait waits until the lines of the screen are as they should be.
func (m tmux) wait(ok func(lines []string) bool) []string {
	m.t.Helper()
	var lines []string
	for range 100 {
		lines = nil
		for line := range strings.SplitSeq(m.run("capture-pane", "-p"), "\n") {
			if line != "" {
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 && ok(lines) {
			return lines
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.t.Fatalf("the screen:\n%s", strings.Join(lines, "\n"))
	return nil
}

// TestLiveOnTerminals looks at the view in a real terminal of 40, 80 and 200
// columns.
func TestLiveOnTerminals(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			m := startTmux(t, width)
			lines := m.wait(func(l []string) bool { return len(l) == 5 })
			checkView(t, lines, width)
			m.run("send-keys", "Enter")
			lines = m.wait(func(l []string) bool { return slices.Contains(l, "THE END") })
			if len(lines) != 2 || !strings.HasPrefix(lines[0], "✔  1m02s [base] 1/4 RUN first") {
				t.Errorf("the end:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

// TestLiveAfterResize makes the terminal narrower, which folds the rows that are
// there, and wider. tmux moves what is folded up into its history, so that only
// the last lines of the screen are looked at.
func TestLiveAfterResize(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			m := startTmux(t, width)
			m.wait(func(l []string) bool { return len(l) == 5 })
			for _, w := range []int{width * 3 / 4, width * 3 / 2} {
				m.run("resize-window", "-x", strconv.Itoa(w), "-y", "20")
				lines := m.wait(func(l []string) bool {
					row := len([]rune(l[max(len(l)-3, 0)]))
					return len(l) >= 4 && row > w-12 && row < w
				})
				if n := strings.Count(strings.Join(lines, "\n"), "▸"); n != 3 && w < width {
					t.Errorf("%d columns: %d rows, want 3:\n%s", w, n, strings.Join(lines, "\n"))
				}
				lines = lines[len(lines)-4:]
				for i, want := range []string{" [web] ", " [api] ", " 45 % ", "  stage 3 of 3"} {
					if !strings.Contains(lines[i], want) {
						t.Errorf("%d columns: line %d is %q, want %q in it", w, i, lines[i], want)
					}
				}
			}
		})
	}
}

// checkView checks the five lines of the view.
func checkView(t *testing.T, lines []string, width int) {
	t.Helper()
	for i, want := range []string{"✔  1m02s [base] 1/4 RUN first x", "▸ ", "▸ ", "▸ ", "  stage 3 of 3, 1 of 9 steps, "} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is %q, want %q at its beginning", i, lines[i], want)
		}
		if n := len([]rune(lines[i])); n >= width {
			t.Errorf("%d columns wide: %q", n, lines[i])
		}
	}
	for _, line := range lines[:3] {
		if !strings.HasSuffix(line, "…") {
			t.Errorf("%q has no ellipsis", line)
		}
	}
	if !strings.Contains(lines[1], "s [web] 2/4 RUN web") || !strings.Contains(lines[3], " 45 % download packages") {
		t.Errorf("the rows:\n%s", strings.Join(lines, "\n"))
	}
}

// TestLiveNotes: a note is marked as one about a problem unless it says that it is not.
func TestLiveNotes(t *testing.T) {
	var out strings.Builder
	l := newLive(&out, func() (int, int) { return 80, 24 }, false)
	l.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: "a problem"})
	l.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: "a result", Good: true})
	l.Close()
	if want := "! a problem\n• a result\n"; !strings.Contains(out.String(), want) {
		t.Errorf("%q has no %q", out.String(), want)
	}
}
