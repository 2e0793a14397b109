// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The tests start themselves as children.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "child" {
		switch os.Args[2] {
		case "hang":
			time.Sleep(time.Hour)
		case "panic":
			panic("a trial")
		}
		if err := Child(os.Stdout, os.Args[2], os.Args[3]); err != nil {
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func examination(t *testing.T) *Examination {
	return &Examination{
		Process: ReadProcess("/", os.Getenv, os.Getuid(), os.Getgid()), Self: []string{"/proc/self/exe", "child"},
		Scratch: t.TempDir(), LookPath: exec.LookPath,
	}
}

// Whatever the host refuses, each ability has a word, and nothing is left.
func TestExamine(t *testing.T) {
	e := examination(t)
	all := e.Examine(t.Context())
	for _, name := range append([]string{UserNamespace, IDRanges, IDTools, Chown, Mknod, Chroot, FileCaps, Seccomp, Notify, Cgroup, Store, KVM, QEMU, TUN, Pasta, Runtime}, insideNames...) {
		n := 0
		for _, a := range all {
			if a.Name == name {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	for _, a := range all {
		if a.State == Refused && a.Detail == "" || a.State == Works && strings.Contains(a.Detail, "not permitted") {
			t.Errorf("%+v", a)
		}
	}
	if s := all.Of(Store); s.State != Works {
		t.Errorf("the directory of tests: %+v", s)
	}
	e.Elsewhere = true
	if s := e.store(); s.State != Unknown {
		t.Errorf("a directory that is not the store's: %+v", s)
	}
	if os.Getuid() == 0 && e.Process.Can(chrootCaps...) && !all.works(Chown, Mknod, Chroot) {
		t.Errorf("the superuser: %+v", all)
	}
	if left, err := os.ReadDir(e.Scratch); err != nil || len(left) > 0 {
		t.Errorf("there is left: %v, %v", left, err)
	}
}

// A trial that ends without a word is a refusal.
func TestChildDies(t *testing.T) {
	all := examination(t).inChild(t.Context(), "panic", nil, KVM)
	if len(all) != 1 || all[0].State != Refused || strings.Contains(all[0].Detail, "goroutine") {
		t.Errorf("%+v", all)
	}
	if err := Child(&bytes.Buffer{}, "dance", ""); err == nil {
		t.Error("a trial that there is not")
	}
}

func TestChildHangs(t *testing.T) {
	e := examination(t)
	e.Patience = 50 * time.Millisecond
	all := e.inChild(t.Context(), "hang", nil, KVM)
	if len(all) != 1 || all[0].Detail != "hangs for more than 50ms" {
		t.Errorf("%+v", all)
	}
	if err := e.start(t.Context(), nil, "hang", nil); !errors.Is(err, errHangs) {
		t.Error(err)
	}
}

func TestCountIDs(t *testing.T) {
	p := Process{UID: 1000, Name: "me", Named: true}
	const data = "me:100000:1000\n1000:200000:65536\nyou:300000:65536\nme:x:y\n:1:2\n"
	if got := countIDs([]byte(data), &p); got != 66536 {
		t.Error(got)
	}
	if got := countIDs([]byte(data), &Process{UID: 7}); got != 0 {
		t.Error(got)
	}
	if got := freeIDs([]byte(data)); got != 365536 {
		t.Error(got)
	}
}
