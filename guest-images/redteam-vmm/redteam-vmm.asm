; guest: redteam-vmm
; format: multiboot
; teaches: the ways out that are the VMM's own: hypercalls with wild pointers, limits, frames that do not exist, devices told nonsense
; memory: 16M
; expect-status: 0
; expect-serial: -- hypercalls\n
; expect-serial: features: 00000001\n
; expect-serial: write: nothing, from the end of RAM: 00000000\n
; expect-serial: write: nothing, from beyond RAM: FFFFFFF2\n
; expect-serial: write: one byte too far: FFFFFFF2\n
; expect-serial: write: from the last byte below 4 GiB: FFFFFFF2\n
; expect-serial: write: 4 GiB less one: FFFFFFF2\n
; expect-serial: write: an end at 4 GiB: FFFFFFF2\n
; expect-serial: write: an end that wraps around into RAM: FFFFFFF2\n
; expect-serial: write: a text of the guest's own, 00000000\n
; expect-serial: call 12: FFFFFFDA\n
; expect-serial: call 31: FFFFFFDA\n
; expect-serial: call 32: FFFFFFDA\n
; expect-serial: call 80000001: FFFFFFDA\n
; expect-serial: call FFFFFFFF: FFFFFFDA\n
; expect-serial: LOCK VMCALL: #UD (6) EIP +0\n
; expect-serial: VMCALL with an operand-size prefix: #UD (6) EIP +0\n
; expect-serial: -- segments\n
; expect-serial: the last word below 4 GiB, as offset C: nothing happened\n
; expect-serial: a word that wraps around, as offset E: #GP (13) error 00000000 EIP +0\n
; expect-serial: an offset that leads back through address 0: #GP (13) error 00000000 EIP +0\n
; expect-serial: an expand-down segment without an inside: offset 0: #GP (13) error 00000000 EIP +0\n
; expect-serial: an expand-down segment without an inside: offset FFFFFFFF: #GP (13) error 00000000 EIP +0\n
; expect-serial: a 16-bit expand-down segment: offset 0: #GP (13) error 00000000 EIP +0\n
; expect-serial: a 16-bit expand-down segment: offset FFFE, four bytes: #GP (13) error 00000000 EIP +0\n
; expect-serial: a 16-bit expand-down segment: offset 10000: #GP (13) error 00000000 EIP +0\n
; expect-serial: limit 0: its byte: nothing happened\n
; expect-serial: limit 0: a word: #GP (13) error 00000000 EIP +0\n
; expect-serial: limit 0: offset FFFFFFFF: #GP (13) error 00000000 EIP +0\n
; expect-serial: limit 0: REP STOSB of FFFFFFFF bytes: #GP (13) error 00000000 EIP +0\n
; expect-serial:   left: ECX FFFFFFFE ESI FFFFFFFF EDI 00000001\n
; expect-serial: an expand-down segment that wraps around: nothing happened\n
; expect-serial:   what it shows: 600DF00D\n
; expect-serial: a descriptor of ones: nothing happened\n
; expect-serial: a descriptor of ones as a task state: #GP (13) error 00000050 EIP +0\n
; expect-serial: a GDT where no RAM is: the rights of its second descriptor: 00F0FF00\n
; expect-serial: -- frames that do not exist\n
; expect-serial: a page table where no RAM is: read: #PF (14) error 00000009 EIP +0 CR2 80000000\n
; expect-serial: a page table in the last page below 4 GiB: write: #PF (14) error 0000000B EIP +0 CR2 80400000\n
; expect-serial: a page table in the display's memory: read: #PF (14) error 00000009 EIP +0 CR2 80800000\n
; expect-serial: a page table in the APIC: read: #PF (14) error 00000009 EIP +0 CR2 80C00000\n
; expect-serial: PAE: a frame at 4 GiB: does not stick\n
; expect-serial: PAE: a frame at 60 GiB: does not stick\n
; expect-serial:   what lies 4 GiB and 60 GiB below: 600DF00D\n
; expect-serial: PAE: a frame at 64 GiB: #PF (14) error 00000009 EIP +0 CR2 00800000\n
; expect-serial: PAE: a table above 4 GiB: #PF (14) error 00000009 EIP +0 CR2 00A00000\n
; expect-serial: PAE: a directory where no RAM is: #PF (14) error 00000009 EIP +0 CR2 40000000\n
; expect-serial: PAE: a pointer of ones: #GP (13) error 00000000 EIP +0\n
; expect-serial: -- devices\n
; expect-serial: ATA: the status of a drive that is not there: 0000007F\n
; expect-serial: ATA: its status after READ SECTORS: 0000007F\n
; expect-serial: ATA: 70000 bytes of data that nobody offers; the last: FFFFFF7F\n
; expect-serial: ATA: its error after a command that does not exist: 0000007F\n
; expect-serial: VGA: the CRT controller's register FF: 00000000\n
; expect-serial: VGA: the sequencer's register FF: 00000000\n
; expect-serial: VGA: memory where it is not mapped: does not stick\n
; expect-serial: VGA: the last word of its range: sticks\n
; expect-serial: VGA: a word across the end of its range: FFFFFFFF\n
; expect-serial: PIT: its control word cannot be read: 000000FF\n
; expect-serial: RTC: its last byte: 0000005A\n
; expect-serial: APIC: the spurious vector's register: 000003FF\n
; expect-serial: APIC: the command register, told everything at once: 000C0FFF\n
; expect-serial: APIC: the timer's divisor: 0000000B\n
; expect-serial: APIC: the timer's count: 00000000\n
; expect-serial: I/O APIC: register FF: 00000000\n
; expect-serial: PCI: the last device, function and register, across the end: FFFFFFFF\n
; expect-serial: a port across the end of the I/O space: FFFFFFFF\n
; expect-serial: and a string written there\n
; expect-serial: LOCK before what cannot be locked: #UD (6) EIP +0\n
; expect-serial: done\n
; qemu-skip: QEMU has no hypercalls of ours, and its TCG checks no segment limits; what its devices answer to nonsense is its own affair
;
; The companion of `redteam`. A hypercall takes guest-physical addresses: the VMM reads them, so that a check that is missing reads the VMM.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"
%include "attack.inc"

TOP_BYTES       equ FREE0               ; 16 bytes that end at 4 GiB
EXPAND_ALL      equ FREE0 + 8           ; expand-down with the largest limit: nothing is inside
EXPAND_16       equ FREE0 + 16          ; expand-down, B = 0: offsets 1 to FFFF
ZERO_LIMIT      equ FREE0 + 24          ; one byte
EXPAND_WRAP     equ FREE0 + 32          ; expand-down from a base that lets it wrap around
ALL_ONES        equ FREE0 + 40          ; a descriptor of ones
RAM_END         equ 0x1000000
BEYOND          equ 0x0F000000

CALL_FEATURES   equ 0
CALL_WRITE      equ 1
CR4_PAE         equ 1 << 5

; HYPERCALL "what", number, EBX, ECX: prints what came back.
%macro HYPERCALL 4
        PRINT %1, ": "
        mov eax, %2
        mov ebx, %3
        mov ecx, %4
        mov edx, -1
        mov esi, -1
        vmcall
        PRINT_HEX eax
        PRINT 10
%endmacro

%macro SEGMENT 4                        ; selector, base, first and second dword without base
        mov dword [gdt + %1], %3
        mov dword [gdt + %1 + 4], %4
        SET_DESCRIPTOR_BASE %1, %2
%endmacro

; READ_PORT "what", port: a byte.    WRITE_PORT port, value.
%macro READ_PORT 2
        mov edx, %2
        xor eax, eax
        in al, dx
        RESULT %1, eax
%endmacro
%macro WRITE_PORT 2
        mov edx, %1
        mov al, %2
        out dx, al
%endmacro

start:  ENTER_FLAT
        PRINT "-- hypercalls", 10
        HYPERCALL "features", CALL_FEATURES, -1, -1
        HYPERCALL "write: nothing, from the end of RAM", CALL_WRITE, RAM_END, 0
        HYPERCALL "write: nothing, from beyond RAM", CALL_WRITE, RAM_END + 1, 0
        HYPERCALL "write: one byte too far", CALL_WRITE, RAM_END - 3, 4
        HYPERCALL "write: from the last byte below 4 GiB", CALL_WRITE, -1, 2
        HYPERCALL "write: 4 GiB less one", CALL_WRITE, 0, -1
        mov edi, text
        neg edi
        HYPERCALL "write: an end at 4 GiB", CALL_WRITE, text, edi
        HYPERCALL "write: an end that wraps around into RAM", CALL_WRITE, 0xFFFFFFF0, 0x20
        HYPERCALL "write", CALL_WRITE, text, text_end - text
        HYPERCALL "call 12", 12, -1, -1
        HYPERCALL "call 31", 31, -1, -1
        HYPERCALL "call 32", 32, -1, -1
        HYPERCALL "call 80000001", 0x80000001, text, 4
        HYPERCALL "call FFFFFFFF", -1, -1, -1
        TRAP "LOCK VMCALL"
        BEGIN
        db 0xF0
        vmcall
        END_TRAP
        TRAP "VMCALL with an operand-size prefix"
        mov eax, CALL_FEATURES
        BEGIN
        db 0x66
        vmcall
        END_TRAP

        PRINT "-- segments", 10
        SEGMENT TOP_BYTES, 0xFFFFFFF0, 0x0000000F, 0x00409200
        SEGMENT EXPAND_ALL, 0, 0x0000FFFF, 0x00CF9600
        SEGMENT EXPAND_16, marker, 0x00000000, 0x00009600
        SEGMENT ZERO_LIMIT, marker, 0x00000000, 0x00409200
        SEGMENT EXPAND_WRAP, marker + 0x10, 0x0000FFFF, 0x00C79600
        mov dword [gdt + ALL_ONES], -1
        mov dword [gdt + ALL_ONES + 4], -1
        mov ax, TOP_BYTES
        mov fs, ax
        TRAP "the last word below 4 GiB, as offset C"
        BEGIN
        mov eax, [fs:12]
        END_TRAP
        TRAP "a word that wraps around, as offset E"
        BEGIN
        mov eax, [fs:14]
        END_TRAP
        TRAP "an offset that leads back through address 0"
        BEGIN
        mov eax, [fs:16 + marker]
        END_TRAP
        mov ax, EXPAND_ALL
        mov fs, ax
        TRAP "an expand-down segment without an inside: offset 0"
        BEGIN
        mov al, [fs:0]
        END_TRAP
        TRAP "an expand-down segment without an inside: offset FFFFFFFF"
        BEGIN
        mov al, [fs:0xFFFFFFFF]
        END_TRAP
        mov ax, EXPAND_16
        mov fs, ax
        TRAP "a 16-bit expand-down segment: offset 0"
        BEGIN
        mov al, [fs:0]
        END_TRAP
        TRAP "a 16-bit expand-down segment: offset FFFE, four bytes"
        BEGIN
        mov eax, [fs:0xFFFE]
        END_TRAP
        TRAP "a 16-bit expand-down segment: offset 10000"
        BEGIN
        mov al, [fs:0x10000]
        END_TRAP
        mov ax, ZERO_LIMIT
        mov fs, ax
        TRAP "limit 0: its byte"
        BEGIN
        mov al, [fs:0]
        END_TRAP
        TRAP "limit 0: a word"
        BEGIN
        mov ax, [fs:0]
        END_TRAP
        TRAP "limit 0: offset FFFFFFFF"
        BEGIN
        mov al, [fs:0xFFFFFFFF]
        END_TRAP
        mov ax, ZERO_LIMIT
        mov es, ax
        TRAP "limit 0: REP STOSB of FFFFFFFF bytes"
        xor edi, edi
        mov ecx, -1
        mov al, 0x0D
        BEGIN
        rep stosb
        END_TRAP
        SEEN
        mov ax, EXPAND_WRAP
        mov fs, ax
        TRAP "an expand-down segment that wraps around"
        BEGIN
        mov eax, [fs:0xFFFFFFF0]
        mov [seen_ecx], eax
        END_TRAP
        RESULT "  what it shows", dword [seen_ecx]
        TRAP "a descriptor of ones"
        mov ax, ALL_ONES | 3
        BEGIN
        mov fs, ax
        END_TRAP
        TRAP "a descriptor of ones as a task state"
        mov ax, ALL_ONES
        BEGIN
        ltr ax
        END_TRAP
        sub esp, 8
        mov word [esp], 0xFFFF
        mov dword [esp + 2], BEYOND
        lgdt [esp]
        lsl eax, [esp + 6]
        mov ax, 0x08
        lar ebx, eax                    ; without a fault
        lgdt [gdt_pointer]
        add esp, 8
        RESULT "a GDT where no RAM is: the rights of its second descriptor", ebx

        PRINT "-- frames that do not exist", 10
        call enter_paging
        jmp .paged
.paged: mov dword [directory + 512 * 4], BEYOND + (P | RW)
        TRAP "a page table where no RAM is: read"
        BEGIN
        mov eax, [0x80000000]
        END_TRAP
        mov dword [directory + 513 * 4], 0xFFFFF000 + (P | RW)
        TRAP "a page table in the last page below 4 GiB: write"
        BEGIN
        mov [0x80400000], eax
        END_TRAP
        mov dword [directory + 514 * 4], 0xA0000 + (P | RW)
        TRAP "a page table in the display's memory: read"
        BEGIN
        mov eax, [0x80800000]
        END_TRAP
        mov dword [directory + 515 * 4], 0xFEE00000 + (P | RW)
        TRAP "a page table in the APIC: read"
        BEGIN
        mov eax, [0x80C00000]
        END_TRAP
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        jmp .flat
.flat:  mov eax, cr4
        or eax, CR4_PAE
        mov cr4, eax
        mov dword [pointers], pae_directory + P
        mov dword [pae_directory], P | RW | LARGE_PAGE
        mov dword [pae_directory + 8], 0x200000 + (P | RW | LARGE_PAGE)
        mov dword [pae_directory + 16], P | RW | LARGE_PAGE
        mov dword [pae_directory + 20], 1               ; 4 GiB higher
        mov dword [pae_directory + 24], P | RW | LARGE_PAGE
        mov dword [pae_directory + 28], 0xF             ; 60 GiB higher
        mov dword [pae_directory + 32], P | RW | LARGE_PAGE
        mov dword [pae_directory + 36], 0x10            ; bit 36
        mov dword [pae_directory + 40], pae_table + (P | RW)
        mov dword [pae_directory + 44], 1               ; a table 4 GiB higher
        mov dword [pae_table], P | RW
        mov eax, pointers
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
        jmp .pae
.pae:   STICKS "PAE: a frame at 4 GiB", 0x400000 + marker
        STICKS "PAE: a frame at 60 GiB", 0x600000 + 0x1FFFF8
        RESULT "  what lies 4 GiB and 60 GiB below", dword [marker]
        TRAP "PAE: a frame at 64 GiB"
        BEGIN
        mov eax, [0x800000]
        END_TRAP
        TRAP "PAE: a table above 4 GiB"
        BEGIN
        mov eax, [0xA00000]
        END_TRAP
        mov dword [pointers + 8], BEYOND + P
        mov eax, cr3
        mov cr3, eax
        TRAP "PAE: a directory where no RAM is"
        BEGIN
        mov eax, [0x40000000]
        END_TRAP
        mov dword [pointers + 8], 0xFFFFFFE1
        TRAP "PAE: a pointer of ones"
        mov eax, cr3
        BEGIN
        mov cr3, eax
        END_TRAP
        mov dword [pointers + 8], 0
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        jmp .off
.off:
        PRINT "-- devices", 10
        READ_PORT "ATA: the status of a drive that is not there", 0x1F7
        WRITE_PORT 0x1F6, 0xFF
        WRITE_PORT 0x1F2, 0xFF
        WRITE_PORT 0x1F3, 0xFF
        WRITE_PORT 0x1F4, 0xFF
        WRITE_PORT 0x1F5, 0xFF
        WRITE_PORT 0x1F7, 0x20
        READ_PORT "ATA: its status after READ SECTORS", 0x1F7
        mov edx, 0x1F0
        mov edi, frame_a
        mov ecx, 70000 / 4
        rep insd                        ; more than a sector, from no drive: beyond frame_a there is only this guest's RAM
        RESULT "ATA: 70000 bytes of data that nobody offers; the last", dword [edi - 4]
        WRITE_PORT 0x1F7, 0xFF
        READ_PORT "ATA: its error after a command that does not exist", 0x1F1
        WRITE_PORT 0x3D4, 0xFF
        READ_PORT "VGA: the CRT controller's register FF", 0x3D5
        WRITE_PORT 0x3C4, 0xFF
        WRITE_PORT 0x3C5, 0xFF
        READ_PORT "VGA: the sequencer's register FF", 0x3C5
        WRITE_PORT 0x3CE, 0x06          ; the display's memory moves
        WRITE_PORT 0x3CF, 0xFF
        STICKS "VGA: memory where it is not mapped", 0xA0000
        STICKS "VGA: the last word of its range", 0xBFFFC
        mov dword [0xBFFFE], -1         ; across the end of the range
        RESULT "VGA: a word across the end of its range", dword [0xBFFFE]
        WRITE_PORT 0x43, 0xFF           ; read-back of everything, then nonsense
        WRITE_PORT 0x43, 0x3F
        WRITE_PORT 0x40, 0x01
        WRITE_PORT 0x40, 0x00
        READ_PORT "PIT: its control word cannot be read", 0x43
        WRITE_PORT 0x70, 0x7F
        WRITE_PORT 0x71, 0x5A
        READ_PORT "RTC: its last byte", 0x71
        mov dword [0xFEE000F0], -1      ; spurious vector: reserved bits
        RESULT "APIC: the spurious vector's register", dword [0xFEE000F0]
        mov dword [0xFEE00300], 0xFFFC0FFF
        RESULT "APIC: the command register, told everything at once", dword [0xFEE00300]
        mov dword [0xFEE003E0], -1
        RESULT "APIC: the timer's divisor", dword [0xFEE003E0]
        mov dword [0xFEE00380], -1
        mov dword [0xFEE00380], 0
        RESULT "APIC: the timer's count", dword [0xFEE00390]
        mov dword [0xFEC00000], -1
        mov dword [0xFEC00010], -1
        RESULT "I/O APIC: register FF", dword [0xFEC00010]
        mov edx, 0xCF8
        mov eax, 0xFFFFFFFF
        out dx, eax
        mov edx, 0xCFF
        in eax, dx                      ; across the end of the data port
        RESULT "PCI: the last device, function and register, across the end", eax
        mov edx, 0xFFFF
        in eax, dx
        RESULT "a port across the end of the I/O space", eax
        mov edx, 0xFFFF
        mov ecx, 3
        mov esi, text
        rep outsd
        PRINT "and a string written there", 10

        TRAP "LOCK before what cannot be locked"
        BEGIN
        db 0xF0
        mov eax, ebx
        END_TRAP
        PRINT "done", 10
        jmp power_off

        section .rodata
text:   db "a text of the guest's own, "
text_end:

        section .bss
        alignb 4096
pointers:       resb 4096
pae_directory:  resb 4096
pae_table:      resb 4096
                resb 0x20000            ; room behind the frames of attack.inc
