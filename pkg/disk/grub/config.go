// SPDX-License-Identifier: MPL-2.0

package grub

import (
	"fmt"
	"strconv"
	"strings"
)

// Modules are the modules that a core image needs for the configurations of this
// package, from GPT or MBR disks with FAT and ext4.
func Modules() []string {
	return strings.Fields("biosdisk part_gpt part_msdos fat ext2 normal configfile linux search search_label search_fs_uuid echo serial terminal test ls")
}

// Menu is the menu of the loaders: one entry.
type Menu struct {
	Title   string
	Kernel  string // path on the loader's file system, such as /vmlinuz
	Initrd  string // "" for none
	Cmdline string
	Timeout int // seconds
}

// check refuses characters that would end a line or a quotation in a configuration.
func (m Menu) check() error {
	for _, s := range []string{m.Title, m.Kernel, m.Initrd, m.Cmdline} {
		if strings.ContainsAny(s, "\n\r\x00") {
			return fmt.Errorf("boot menu: %q has more than one line", s)
		}
	}
	for _, s := range []string{m.Kernel, m.Initrd} {
		if s != "" && !strings.HasPrefix(s, "/") || strings.ContainsAny(s, " \t") {
			return fmt.Errorf("boot menu: path %q does not start with / or has spaces", s)
		}
	}
	switch {
	case m.Title == "" || m.Kernel == "":
		return fmt.Errorf("boot menu: no title or no kernel")
	case m.Timeout < 0:
		return fmt.Errorf("boot menu: timeout %d", m.Timeout)
	}
	return nil
}

// EarlyConfig is the configuration inside core.img: it finds the file system by
// label and reads /grub/grub.cfg there.
func EarlyConfig(label string) (string, error) {
	if label == "" || strings.ContainsAny(label, " \t\n\r'\"\\$;") {
		return "", fmt.Errorf("label %q cannot stand in a GRUB configuration", label)
	}
	return fmt.Sprintf("search.fs_label %s root\nset prefix=($root)/grub\n", label), nil
}

// Config is /grub/grub.cfg, for screen and first serial port.
func Config(m Menu) (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("serial --unit=0 --speed=115200\nterminal_input serial console\nterminal_output serial console\n")
	fmt.Fprintf(&b, "set timeout=%d\n\nmenuentry %s {\n\tlinux %s%s\n", m.Timeout, quote(m.Title), quote(m.Kernel), words(m.Cmdline))
	if m.Initrd != "" {
		fmt.Fprintf(&b, "\tinitrd %s\n", quote(m.Initrd))
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// words quotes each word of a command line, so that GRUB expands nothing.
func words(cmdline string) string {
	var b strings.Builder
	for _, w := range strings.Fields(cmdline) {
		b.WriteString(" " + quote(w))
	}
	return b.String()
}

// quote makes one word for GRUB's shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:@%+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// LoaderConfig is systemd-boot's /loader/loader.conf.
func LoaderConfig(m Menu, entry string) string {
	return "default " + entry + "\ntimeout " + strconv.Itoa(m.Timeout) + "\n"
}

// LoaderEntry is a file of /loader/entries, whose name ends in .conf.
func LoaderEntry(m Menu) (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "title %s\nlinux %s\n", m.Title, m.Kernel)
	if m.Initrd != "" {
		fmt.Fprintf(&b, "initrd %s\n", m.Initrd)
	}
	if c := strings.TrimSpace(m.Cmdline); c != "" {
		fmt.Fprintf(&b, "options %s\n", c)
	}
	return b.String(), nil
}
