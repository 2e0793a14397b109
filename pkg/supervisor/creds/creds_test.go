// SPDX-License-Identifier: MPL-2.0

package creds

import (
	"slices"
	"syscall"
	"testing"
)

// A step's root drops its privileges in the ways that programs do.
func TestDrop(t *testing.T) {
	root := New(0, 0, nil, Default)
	must := func(c Creds, errno syscall.Errno) Creds {
		t.Helper()
		if errno != 0 {
			t.Fatal(errno)
		}
		return c
	}
	// apt: groups, gid, uid, and the check that there is no way back.
	c := must(must(must(root.Setgroups([]uint32{65534})).Setresgid(65534, 65534, 65534)).Setresuid(42, 42, 42))
	if c.User != all(42) || c.Group != all(65534) || !slices.Equal(c.Groups(), []uint32{65534}) || c.Permitted != 0 {
		t.Errorf("dropped: %+v", c)
	}
	for name, f := range map[string]func() (Creds, syscall.Errno){
		"setuid":    func() (Creds, syscall.Errno) { return c.Setuid(0) },
		"setgid":    func() (Creds, syscall.Errno) { return c.Setgid(0) },
		"setreuid":  func() (Creds, syscall.Errno) { return c.Setreuid(Unset, 0) },
		"setgroups": func() (Creds, syscall.Errno) { return c.Setgroups(nil) },
	} {
		if back, errno := f(); errno != syscall.EPERM || back != c {
			t.Errorf("%s after the drop: %v, %+v", name, errno, back)
		}
	}
	// seteuid and back.
	c = must(root.Setresuid(Unset, 33, Unset))
	if c.Can(Chown) || c.Permitted != Default {
		t.Errorf("for a while: %+v", c)
	}
	if c = must(c.Setresuid(Unset, 0, Unset)); c != root {
		t.Errorf("and back: %+v", c)
	}
	// setpriv: keep capabilities, then the user, then the group.
	c = root
	c.KeepCaps = true
	c = must(c.Setresuid(33, 33, 33))
	if c.Can(Setgid) || c.Permitted != Default {
		t.Errorf("kept: %+v", c)
	}
	c = must(must(c.Capset(Default, Default, 0)).Setresgid(33, 33, 33))
	if c.Group != all(33) {
		t.Errorf("kept and used: %+v", c)
	}
}

func TestExec(t *testing.T) {
	root, web := New(0, 0, nil, Default), New(33, 34, []uint32{4}, Default)
	sudo := web.Exec(Program{Setuid: true})
	if want := (IDs{33, 0, 0, 0}); sudo.User != want || sudo.Permitted != Default || sudo.Effective != Default {
		t.Errorf("a setuid program: %+v", sudo)
	}
	if c := sudo.Exec(Program{}); c.User != sudo.User || c.Effective != Default {
		t.Errorf("its child: %+v", c)
	}
	if c := web.Exec(Program{Setgid: true, GID: 8}); c.Group != (IDs{34, 8, 8, 8}) || c.Permitted != 0 {
		t.Errorf("a setgid program: %+v", c)
	}
	ping := &FileCaps{Permitted: 1 << 13, Effective: true}
	if c := web.Exec(Program{Caps: ping}); c.Permitted != 1<<13 || c.Effective != 1<<13 {
		t.Errorf("a program with capabilities: %+v", c)
	}
	if c := root.Exec(Program{Caps: ping}); c.Effective != Default {
		t.Errorf("the same for root: %+v", c)
	}
	if c := web.Exec(Program{Setuid: true, Caps: ping}); c.Effective != 1<<13 {
		t.Errorf("setuid and with capabilities: %+v", c)
	}
	if c := root.Exec(Program{}); c != root {
		t.Errorf("root's child: %+v", c)
	}
}

func TestParseFileCaps(t *testing.T) {
	v2 := []byte{1, 0, 0, 2, 0, 0x24, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}
	if c := ParseFileCaps(v2); c == nil || c.Permitted != 1<<10|1<<13|1<<32 || !c.Effective || c.Inheritable != 0 {
		t.Errorf("version 2: %+v", c)
	}
	v3 := append(slices.Clone(v2), 0, 0, 0, 0)
	v3[3] = 3
	if c := ParseFileCaps(v3); c == nil || c.Permitted != 1<<10|1<<13|1<<32 {
		t.Errorf("version 3: %+v", c)
	}
	for _, bad := range [][]byte{nil, v2[:12], append([]byte{1, 0, 0, 1}, v2[4:]...)} {
		if c := ParseFileCaps(bad); c != nil {
			t.Errorf("%v: %+v", bad, c)
		}
	}
}

func TestCarrier(t *testing.T) {
	root, web, log := New(0, 0, nil, Default), New(33, 33, nil, Default), New(5, 5, nil, Default)
	c := NewCarrier(root)
	a := c.Index(Base, web)
	if got, leaving, ok := c.Of(a); !ok || got != web || leaving != (Image{}) || a >= Base {
		t.Fatalf("index %d is %+v, %v", a, got, ok)
	}
	if again := c.Index(Base, web); again != a {
		t.Errorf("the same change of another process has index %d, not %d", again, a)
	}
	b := c.Index(a, log)
	if back := c.Index(b, web); back >= b { // it cannot be raised again
		t.Errorf("back to former credentials: %d after %d", back, b)
	}
	if back := c.Index(a, root); back >= a {
		t.Errorf("back to root: %d after %d", back, a)
	}
	for range 1000 {
		c.Index(c.Index(Base, web), log)
	}
	if c.Len() > 8 {
		t.Errorf("%d indices for three credentials", c.Len())
	}
	x := c.Leaving(web, Image{1})
	if got, leaving, ok := c.Of(x); !ok || got != web || leaving != (Image{1}) || x >= b {
		t.Errorf("leaving a program: %+v, %v, %v", got, leaving, ok)
	}
	if next := c.Index(x, web); next >= x { // it has left it
		t.Errorf("the same credentials after a program: %d after %d", next, x)
	}
	for _, limit := range []uint64{0, Base + 1, ^uint64(0), Base - 1000} {
		if _, _, ok := c.Of(limit); ok {
			t.Errorf("limit %d has credentials", limit)
		}
	}
}
