// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"fmt"
	"strings"
)

// Entry is what extlinux.conf boots. Paths are those of the file system that it is
// on and begin with a slash.
type Entry struct {
	Label   string // one word
	Title   string // shown in the menu; "" for the label
	Linux   string // a zImage, or an Image on arm64
	Initrd  string // "" for none
	FDT     string // "" leaves the choice to U-Boot's fdtfile
	Append  string // the kernel's command line
	Timeout int    // tenths of a second
}

// Extlinux is the text of /extlinux/extlinux.conf with one entry.
func Extlinux(e Entry) (string, error) {
	if err := e.check(); err != nil {
		return "", fmt.Errorf("extlinux.conf: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "default %s\ntimeout %d\n\nlabel %s\n", e.Label, e.Timeout, e.Label)
	for _, line := range [][2]string{{"menu label", e.Title}, {"linux", e.Linux}, {"initrd", e.Initrd}, {"fdt", e.FDT}, {"append", strings.TrimSpace(e.Append)}} {
		if line[1] != "" {
			fmt.Fprintf(&b, "\t%s %s\n", line[0], line[1])
		}
	}
	return b.String(), nil
}

// check refuses characters that would end a line or a word.
func (e *Entry) check() error {
	switch {
	case e.Label == "" || strings.ContainsAny(e.Label, " \t#"):
		return fmt.Errorf("label %q is not one word", e.Label)
	case e.Linux == "":
		return fmt.Errorf("no kernel")
	case e.Timeout < 0:
		return fmt.Errorf("timeout %d", e.Timeout)
	}
	for _, s := range []string{e.Label, e.Title, e.Linux, e.Initrd, e.FDT, e.Append} {
		if strings.ContainsAny(s, "\n\r\x00") {
			return fmt.Errorf("%q has more than one line", s)
		}
	}
	for _, s := range []string{e.Linux, e.Initrd, e.FDT} {
		if s != "" && !strings.HasPrefix(s, "/") || strings.ContainsAny(s, " \t") {
			return fmt.Errorf("path %q does not start with / or has spaces", s)
		}
	}
	return nil
}
