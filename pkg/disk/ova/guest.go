// SPDX-License-Identifier: MPL-2.0

package ova

import "strings"

// cimOS is the CIM_OperatingSystem.OSType for one of VMware's names for operating
// systems, which OVF requires in addition to that name.
func cimOS(guest string) int {
	i := 0
	if strings.Contains(guest, "64") {
		i = 1
	}
	for _, f := range []struct {
		prefix string
		id     [2]int // of 32 and of 64 bit
	}{
		{"debian", [2]int{95, 96}},
		{"ubuntu", [2]int{93, 94}},
		{"rhel", [2]int{79, 80}},
		{"centos", [2]int{106, 107}},
		{"oracleLinux", [2]int{108, 109}},
		{"sles", [2]int{84, 85}},
		{"opensuse", [2]int{82, 83}},
		{"other24xLinux", [2]int{97, 98}},
		{"other26xLinux", [2]int{99, 100}},
		{"other3xLinux", [2]int{99, 100}}, // the latest version in CIM
		{"other4xLinux", [2]int{99, 100}},
		{"other5xLinux", [2]int{99, 100}},
		{"other6xLinux", [2]int{99, 100}},
		{"other7xLinux", [2]int{99, 100}},
		{"otherLinux", [2]int{36, 101}},
		{"vmwarePhoton", [2]int{36, 36}}, // as VMware writes it
	} {
		if strings.HasPrefix(guest, f.prefix) {
			return f.id[i]
		}
	}
	return [2]int{1, 102}[i] // other
}
