// SPDX-License-Identifier: MPL-2.0

//go:build peers

// Package integration runs the real program.
package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// goal is how many misses, and how many false alarms, need no explanation.
const goal = 5

// Verdicts of a peer's tool on a file system.
const (
	sound   = "sound"
	damaged = "damaged"
	refused = "refused" // it does not check it at all
)

// matrix counts states by what a peer's tool and this program say of them.
type matrix struct {
	peer      string
	mu        sync.Mutex
	count     map[[2]string]int
	misses    []string // damaged for the peer, sound for us
	alarms    []string // the other way round
	explained map[string]string
	used      map[string]bool
}

func newMatrix(t *testing.T, peer string) *matrix {
	t.Helper()
	return &matrix{peer: peer, count: map[[2]string]int{}, explained: explanations(t), used: map[string]bool{}}
}

// explanations are the lines "STATE: REASON" of the list of states on which
// the program is meant to disagree, or where the peer's word is not a standard.
func explanations(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/peers.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, reason, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok && !strings.HasPrefix(name, "#") {
			out[name] = reason
		}
	}
	return out
}

// add counts a state; detail is what the side says that sees damage.
func (m *matrix) add(state, peer, ours, detail string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[[2]string{peer, ours}]++
	list := &m.misses
	switch {
	case peer == damaged && ours == sound:
	case peer == sound && ours == damaged:
		list = &m.alarms
	default:
		return
	}
	if m.explained[state] != "" {
		m.used[state] = true
		return
	}
	*list = append(*list, state+"\n"+indent(detail))
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > 12 {
		lines = append(lines[:12], "...")
	}
	return "      " + strings.Join(lines, "\n      ")
}

// report prints the matrix and fails if too much is not explained.
func (m *matrix) report(t *testing.T) {
	t.Helper()
	columns := []string{sound, "not wholly read", damaged}
	var b strings.Builder
	total, agree := 0, 0
	fmt.Fprintf(&b, "\n%-32s %8s %16s %8s\n", m.peer+" \\ carosbuild", columns[0], columns[1], columns[2])
	for _, row := range []string{sound, damaged, refused} {
		fmt.Fprintf(&b, "%-32s", row)
		for i, column := range columns {
			n := m.count[[2]string{row, column}]
			fmt.Fprintf(&b, " %*d", []int{8, 16, 8}[i], n)
			total += n
			if row == column || row == refused && column != sound {
				agree += n
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%d states, agreement on %d, %d explained, %d misses and %d false alarms that are not\n", total, agree, len(m.used), len(m.misses), len(m.alarms))
	t.Log(b.String())
	for name, list := range map[string][]string{"misses": m.misses, "false alarms": m.alarms} {
		slices.Sort(list)
		if len(list) > 0 {
			t.Logf("%s:\n   %s", name, strings.Join(list, "\n   "))
		}
		if len(list) > goal {
			t.Errorf("%s: %d %s, and %d are the goal: mend the check, or explain them in testdata/peers.txt", m.peer, len(list), name, goal)
		}
	}
	if total == 0 {
		t.Errorf("%s: no state was found", m.peer)
	}
}
