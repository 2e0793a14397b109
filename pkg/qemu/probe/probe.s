# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.
#
# A boot sector that goes into 64-bit mode with paging, leaves the guest some
# thousand times, for the kernel and for QEMU, writes to all memory that it has
# mapped, and prints "64" on the first serial port: what a kernel does first, and
# what a KVM that does not work gets stuck in.
	.code16
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	# page tables at 0x1000: the first 2 MiB, as they are
	movw $0x1000, %di
	movw $0x1800, %cx
	cld
	rep stosw
	movw $0x2003, 0x1000
	movw $0x3003, 0x2000
	movw $0x0083, 0x3000
	movl $0x1000, %eax
	movl %eax, %cr3
	movl $0x20, %eax          # physical address extension
	movl %eax, %cr4
	movl $0xc0000080, %ecx    # EFER: long mode
	rdmsr
	orl $0x100, %eax
	wrmsr
	lgdt 0x7c00 + table_end - _start
	movl %cr0, %eax
	orl $0x80000001, %eax     # paging and protection
	movl %eax, %cr0
	ljmpw $8, $0x7c00 + long - _start
	.code64
long:
	movl $4096, %edi
1:	xorl %eax, %eax
	cpuid                     # the kernel answers
	movb %dil, %al
	outb %al, $0x80           # QEMU answers
	decl %edi
	jnz 1b
	movl $0x100000, %edi      # the second MiB, a page at a time
2:	movl %edi, (%rdi)
	addl $0x1000, %edi
	cmpl $0x200000, %edi
	jb 2b
	movw $0x3f8, %dx
	movb $'6', %al
	outb %al, %dx
	movb $'4', %al
	outb %al, %dx
	movb $'\n', %al
	outb %al, %dx
3:	hlt
	jmp 3b
	.balign 8
table:
	.quad 0
	.quad 0x00209a0000000000  # 64-bit code
table_end:
	.word table_end - table - 1
	.long 0x7c00 + table - _start
	.org 510
	.word 0xaa55
