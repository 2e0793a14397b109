// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/qemu"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// bootCommand is "carosbuild boot": its flags, and the values derived from them.
type bootCommand struct {
	*cli.App
	options   qemu.Options
	memory    string
	accel     string
	expect    []string
	timeout   time.Duration
	declFiles []string
	disk      string
	path      string // path of the disk
	forwards  []string
	ssh       bool
}

// NewBoot is "carosbuild boot".
func NewBoot(a *cli.App) *cobra.Command {
	c := &bootCommand{App: a}
	cmd := &cobra.Command{
		Use:   "boot DISK",
		Short: "Boot a disk in QEMU, with its serial console on the terminal",
		Long: `Boot a disk in QEMU: the machine follows from what is on the disk, the serial console is on
the terminal (Ctrl-A X ends it), and the disk is never written. Of an OVA, all disks and the ISO
in the CD drive are attached. With --expect or --declaration
it waits for what the console must show, and the exit status says whether it did.

An expectation's within= is a limit for an idle host: time in which QEMU was ready to run but
had no processor does not count, and as long as the console prints new lines, the limit is up
to three times as long. The wait ends after ten times the limit in any case. Without within=,
the limit is 10m. --timeout limits all waits together, by the clock. When a wait ends, the
services that failed to start in the guest are listed.`,
		Args: cli.Exactly(1),
		Example: `  carosbuild boot caros.vmdk
  carosbuild boot caros.ova --firmware efi --expect 'login:' --timeout 5m
  carosbuild boot sd.img --declaration orangepi-pc.xml
  carosbuild boot caros.vmdk --forward 8080:80 --ssh`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&c.expect, "expect", nil, "wait until the console shows this regular expression; several are met in their order")
	f.StringArrayVarP(&c.declFiles, "declaration", "d", nil, "wait for what this declaration's disk expects; may be repeated")
	declfile.ConfineFlag(c.App, f)
	f.StringVar(&c.disk, "disk", "", "which disk, if the declaration has more than one")
	f.StringVar(&c.options.Machine, "machine", "", "QEMU's -machine, where it does not follow from the disk")
	f.StringVar(&c.options.Bus, "bus", "", "bus of the disk: "+strings.Join(qemu.Buses(), ", ")+" (default one whose driver the initrd has)")
	f.StringArrayVar(&c.forwards, "forward", nil, "HOST:GUEST, a TCP port of this machine's loopback address that leads to one of the guest; may be repeated")
	f.BoolVar(&c.ssh, "ssh", false, "give the superuser of the guest an ssh key made for this, and say how to log in (needs systemd 252 or later in the guest)")
	f.IntVar(&c.options.CPUs, "cpus", 1, "processors")
	return cmd
}

// flags defines the options that a build with --verify-boot also has.
func (c *bootCommand) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.options.Firmware, "firmware", "", "bios or efi, where the disk has both (default bios)")
	f.StringVar(&c.memory, "memory", "1G", "memory of the machine")
	f.StringVar(&c.accel, "accel", c.Env("ACCEL", "auto"), "auto (KVM if it really works), kvm or tcg")
	f.DurationVar(&c.timeout, "timeout", 0, "end the boot after this time by the clock, no matter how slow the host is (default none)")
}

func (c *bootCommand) run(ctx context.Context, path string) error {
	c.path = path
	if strings.HasSuffix(path, ".xml") {
		return cli.Usagef("%s is a declaration: carosbuild boot DISK --declaration %s", path, render.QuoteArg(path))
	}
	want, err := c.wanted(ctx)
	if err != nil {
		return err
	}
	return c.boot(ctx, path, want)
}

// wanted are the expectations of the flags and the declaration.
func (c *bootCommand) wanted(ctx context.Context) ([]qemu.Expectation, error) {
	var want []qemu.Expectation
	if len(c.declFiles) > 0 {
		d, err := c.DirsOrScratch()
		if err != nil {
			return nil, err
		}
		parsed, err := declfile.Load(ctx, c.App, c.declFiles, d.Cache)
		if err != nil {
			return nil, err
		}
		k, err := c.declaredDisk(parsed)
		if err != nil {
			return nil, err
		}
		want = expectations(k)
		if len(want) == 0 && len(c.expect) == 0 {
			return nil, cli.Usagef("disk %s of %s has no <expect>: add one, or give the expected text with --expect", k.ID, strings.Join(c.declFiles, ", "))
		}
	}
	for _, e := range c.expect {
		re, err := regexp.Compile(e)
		if err != nil {
			return nil, cli.Usagef("--expect: %w", err)
		}
		want = append(want, qemu.Expectation{Pattern: re})
	}
	return want, nil
}

// declaredDisk is the disk of --disk, or the only one.
func (c *bootCommand) declaredDisk(d *decl.Declaration) (*decl.Disk, error) {
	var ids []string
	for _, k := range d.Disks {
		if k.ID == c.disk || c.disk == "" && len(d.Disks) == 1 {
			return k, nil
		}
		ids = append(ids, k.ID)
	}
	switch {
	case len(ids) == 0:
		return nil, cli.Usagef("%s: the declaration has no <disk>%s", strings.Join(c.declFiles, ", "), declfile.OverlayHint(d, func(overlay string) string {
			return fmt.Sprintf("carosbuild boot %s --declaration %s", render.QuoteArg(c.path), overlay)
		}))
	case c.disk == "":
		return nil, cli.Usagef("which disk? choose with --disk: %s", strings.Join(ids, ", "))
	}
	return nil, cli.Usagef("no disk %q is declared (declared: %s)", c.disk, strings.Join(ids, ", "))
}

// expectations are those that a disk declares.
func expectations(k *decl.Disk) []qemu.Expectation {
	var want []qemu.Expectation
	for _, e := range k.Expects {
		want = append(want, qemu.Expectation{Pattern: regexp.MustCompile(regexp.QuoteMeta(e.Console)), Within: e.Within})
	}
	return want
}

// defaultWithin bounds the wait for an expectation without within=.
const defaultWithin = 10 * time.Minute

// boot runs the machine, until it ends or the expectations are met.
func (c *bootCommand) boot(ctx context.Context, path string, want []qemu.Expectation) (err error) {
	if c.options.Memory, err = bytesize.Parse(c.memory); err != nil || c.options.Memory < 1<<20 {
		return cli.Usagef("--memory %q is not a size such as 1G", c.memory)
	}
	opened, err := disk.OpenDisk(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	facts, err := qemu.Detect(opened, opened.Size())
	if err != nil {
		return fmt.Errorf("boot %s: %w", path, err)
	}
	options := c.options
	s := qemu.Session{Disk: qemuDisk(path, opened)}
	if opened.Format == disk.OVA {
		if err := appliance(path, &facts, &options, &s); err != nil {
			return fmt.Errorf("boot %s: %w", path, err)
		}
	}
	if options.Forwards, err = parseForwards(c.forwards); err != nil {
		return err
	}
	if c.ssh {
		if err := c.addSSH(ctx, opened, &options); err != nil {
			return fmt.Errorf("boot %s: --ssh: %w", path, err)
		}
	}
	if opened.Format.Disc() && options.Bus == "" && (facts.BIOS || slices.Contains(facts.EFI, "x64")) {
		options.Bus = "cd" // the ARM machine has no CD drive
	}
	machine, err := qemu.Plan(facts, options)
	if err != nil {
		return fmt.Errorf("boot %s: %w", path, err)
	}
	if machine.Bus != "" && options.Bus == "" && c.Progress != "quiet" {
		fmt.Fprintf(c.Stderr, "the disk is on bus %s (--bus names another)\n", machine.Bus)
	}
	dir, err := os.MkdirTemp("", "carosbuild-boot-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s.Machine, s.Dir = machine, dir
	if opened.Format.QEMU() == "" {
		if s.Disk.Path, err = rawPath(path, opened, dir); err != nil {
			return err
		}
	}
	if s.Accel, err = c.accelerator(ctx, machine, dir); err != nil {
		return missing(err)
	}
	if len(want) == 0 {
		return missing(c.interact(ctx, s))
	}
	return missing(c.await(ctx, s, want))
}

// qemuDisk describes to QEMU how to open the disk.
func qemuDisk(path string, o *disk.Opened) qemu.Disk {
	d := qemu.Disk{Path: path, Offset: o.Within.Off, Length: o.Within.Len}
	if d.Format = o.Format.QEMU(); d.Format == "" {
		d.Format = "raw"
	}
	return d
}

func (c *bootCommand) accelerator(ctx context.Context, m qemu.Machine, dir string) (string, error) {
	switch c.accel {
	case qemu.KVM, qemu.TCG:
		return c.accel, nil
	case "auto":
	default:
		return "", cli.Usagef("--accel %q is not one of auto, kvm, tcg", c.accel)
	}
	accel, why, err := qemu.Accelerator(ctx, m, dir)
	if why != "" && c.Progress != "quiet" {
		fmt.Fprintln(c.Stderr, "KVM is present but does not work, so the machine is emulated:", why)
	}
	return accel, err
}

// interact connects the terminal to the machine.
func (c *bootCommand) interact(ctx context.Context, s qemu.Session) error {
	s.Stdin, s.Console = os.Stdin, c.Stdout
	s.Terminal = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	if s.Terminal {
		fmt.Fprintf(c.Stderr, "%s with %s; Ctrl-A X ends it, Ctrl-A H shows more\n", s.Machine.Program, s.Accel)
	}
	return s.Run(ctx)
}

// await shows the console until all expected texts have appeared.
func (c *bootCommand) await(ctx context.Context, s qemu.Session, want []qemu.Expectation) error {
	if c.timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, c.timeout, errors.New("--timeout"))
		defer cancel()
		ctx = limited
	}
	for i := range want {
		if want[i].Within == 0 {
			want[i].Within = defaultWithin
		}
	}
	show := func(line string) { fmt.Fprintln(c.Stderr, "  |", render.Printable(line)) }
	if c.Progress == "quiet" {
		show = func(string) {}
	}
	spent, err := s.Expect(ctx, want, show)
	var con *qemu.ConsoleError
	if errors.As(err, &con) && c.Progress == "quiet" {
		for _, line := range con.Console {
			fmt.Fprintln(c.Stderr, "  |", render.Printable(line))
		}
	}
	if err != nil {
		return err
	}
	for _, w := range want {
		fmt.Fprintf(c.Stdout, "the console showed %q\n", w.Pattern)
	}
	if c.Progress != "quiet" {
		fmt.Fprintf(c.Stderr, "booted as expected within %s%s\n", spent.Wall.Round(time.Second), slowed(spent))
	}
	return nil
}

// slowed says how much of a boot was spent waiting for a busy host, or "" if it was
// little.
func slowed(s qemu.Spent) string {
	if s.Wall-s.Machine < s.Wall/10 || s.Wall-s.Machine < time.Second {
		return ""
	}
	return fmt.Sprintf(", of which QEMU had no processor for %s", (s.Wall - s.Machine).Round(time.Second))
}

// missing adds the remedy to an error about something that the host lacks.
func missing(err error) error {
	if m, ok := qemu.IsMissing(err); ok {
		return &remedy.Error{Tried: m.Error(), Cure: "apt-get install " + m.Package}
	}
	return err
}
