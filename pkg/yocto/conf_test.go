// SPDX-License-Identifier: MPL-2.0

package yocto

import "testing"

// TestMachineOf has the values that bitbake would use.
func TestMachineOf(t *testing.T) {
	for conf, want := range map[string]string{
		"":                                                      "",
		"MACHINE = \"a\"\n":                                     "a",
		"MACHINE = 'a'":                                         "a",
		"MACHINE = \"a\"\r\n":                                   "a",
		"MACHINE=\"a\"\nMACHINE := \"b\"\n":                     "b",
		"MACHINE ?= \"a\"\nMACHINE ?= \"b\"\n":                  "a",
		"MACHINE ?= \"a\"\nMACHINE = \"b\"\n":                   "b",
		"MACHINE = \"b\"\nMACHINE ?= \"a\"\n":                   "b",
		"MACHINE ??= \"a\"\nMACHINE ??= \"b\"\n":                "b",
		"MACHINE ?= \"a\"\nMACHINE ??= \"b\"\n":                 "a",
		"MACHINE ??= \"a\"\nMACHINE ?= \"b\"\n":                 "b",
		"#MACHINE ?= \"a\"\n# MACHINE = \"a\"\n":                "",
		"MACHINE = \\\n  \"a\"\n":                               "a",
		"MACHINE:forcevariable = \"a\"\nMACHINE_x = \"b\"\n":    "",
		"MACHINE_FEATURES = \"a\"\nXMACHINE = \"b\"\n":          "",
		"export MACHINE = \"a\"\n":                              "a",
		"MACHINE = \"a\nMACHINE = b\nDISTRO = \"MACHINE\"\n":    "",
		"MACHINE = \"a\" # not for bitbake\nMACHINE ?= \"b\"\n": "b",
	} {
		if got := MachineOf(conf); got != want {
			t.Errorf("%q: got %q, want %q", conf, got, want)
		}
	}
}
