// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestUnion(t *testing.T) {
	got := union([]string{"c", "a"}, []string{"b", "a", "d", "b"})
	if diff := cmp.Diff(got, []string{"c", "a", "b", "d"}); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// TestUnionOfMany has so many names that comparing all pairs would take a minute of
// processor time; it takes a fraction of a second.
func TestUnionOfMany(t *testing.T) {
	var a, b []string
	front := strings.Repeat("x", 200)
	for i := range 60000 {
		a, b = append(a, fmt.Sprintf("%sa%06d", front, i)), append(b, fmt.Sprintf("%sb%06d", front, i))
	}
	before := processor(t)
	if got := union(a, b); len(got) != 120000 {
		t.Errorf("%d names", len(got))
	}
	if took := processor(t) - before; took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// processor is how much processor time the test has used.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestDirOnce has a machine's directory that two names lead to.
func TestDirOnce(t *testing.T) {
	files := with(vmware(), map[string]string{"REDO/build/tmp-glibc/deploy/images": "-> /REDO/build/tmp/deploy/images", "REDO/build/tmp-musl/deploy/images": "-> ../../tmp/deploy/images"})
	got, err := imageDirs(stage(t, files), Query{})
	if diff := cmp.Diff(got, []string{"REDO/build/tmp/deploy/images"}); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
}
