; guest: redteam
; format: multiboot
; teaches: every way out that a guest can think of, tried: wrap-around, page edges, endless strings, tables over tables, code that changes
; memory: 16M
; expect-status: 0
; expect-serial: -- addresses that wrap around at 4 GiB\n
; expect-serial: base FFFFF000, the offset of something plus 1000: 600DF00D\n
; expect-serial: a base 16 behind it, offset FFFFFFF0: 600DF00D\n
; expect-serial: and a store there: 700DF00D\n
; expect-serial: a store to the last word below 4 GiB: does not stick\n
; expect-serial: a store to where no RAM is: does not stick\n
; expect-serial: a store to where no RAM is, far up: does not stick\n
; expect-serial: -- strings that meet the edge of a page\n
; expect-serial: REP STOSD of FFFFFFFF elements, upwards: #PF (14) error 00000002 EIP +0 CR2 40002000\n
; expect-serial:   left: ECX FFFFFBFF ESI 00000000 EDI 40002000\n
; expect-serial:   the last word before the edge: AAAAAAAA\n
; expect-serial: REP STOSD of FFFFFFFF elements, downwards: #PF (14) error 00000002 EIP +0 CR2 40000FFC\n
; expect-serial:   left: ECX FFFFFBFF ESI 00000000 EDI 40000FFC\n
; expect-serial:   the last word before the edge: BBBBBBBB\n
; expect-serial: REP MOVSW of 80000000 elements, crooked: #PF (14) error 00000002 EIP +0 CR2 40002000\n
; expect-serial:   left: ECX 7FFFF802 ESI 40001FFD EDI 40001FFF\n
; expect-serial: REP MOVSB into a page that is read-only: #PF (14) error 00000003 EIP +0 CR2 40002000\n
; expect-serial:   left: ECX 0000FFEF ESI 40001010 EDI 40002000\n
; expect-serial: REP LODSB of FFFFFFFF elements from nowhere: #PF (14) error 00000000 EIP +0 CR2 40005000\n
; expect-serial:   left: ECX FFFFFFFF ESI 40005000 EDI 40002000\n
; expect-serial: REPNE SCASB of FFFFFFFF elements that finds something: nothing happened\n
; expect-serial:   left: ECX FFFFF7FE ESI FFFFF7FE EDI 40001801\n
; expect-serial: REPNE SCASB of FFFFFFFF elements that finds nothing: #PF (14) error 00000000 EIP +0 CR2 40002000\n
; expect-serial:   left: ECX FFFFEFFF ESI 40005000 EDI 40002000\n
; expect-serial: REP OUTSB of FFFFFFFF bytes: #PF (14) error 00000000 EIP +0 CR2 40002000\n
; expect-serial:   left: ECX FFFFEFFF ESI 40002000 EDI 40002000\n
; expect-serial: REP INSB of FFFFFFFF bytes: #PF (14) error 00000002 EIP +0 CR2 40002000\n
; expect-serial:   left: ECX FFFFFFEF ESI 40002000 EDI 40002000\n
; expect-serial: REP STOSB of FFFFFFFF bytes over the display's memory: #PF (14) error 00000002 EIP +0 CR2 40009000\n
; expect-serial:   left: ECX FFFFEFFF ESI 40002000 EDI 40009000\n
; expect-serial: REP MOVSD of FFFFFFFF elements over nothing: #PF (14) error 00000002 EIP +0 CR2 4000A000\n
; expect-serial:   left: ECX FFFFFCFF ESI 40009C00 EDI 4000A000\n
; expect-serial: a word across the edge: #PF (14) error 00000002 EIP +0 CR2 40002000\n
; expect-serial:   what is before the edge: 11111111\n
; expect-serial: an instruction across the edge: #PF (14) error 00000000 EIP +0 CR2 40002000\n
; expect-serial: -- page tables that map page tables\n
; expect-serial: the directory sees itself: ok\n
; expect-serial: a page that is mapped through the tables' own mapping: B0B0B0B0\n
; expect-serial: and taken out again: #PF (14) error 00000000 EIP +0 CR2 40005000\n
; expect-serial: the directory as a table, whose entries are frames: ok\n
; expect-serial: a table that maps itself, and then another page: A0A0A0A0\n
; expect-serial: a page whose frame is beyond RAM: does not stick\n
; expect-serial: a page whose frame is the last one below 4 GiB: does not stick\n
; expect-serial: a large page beyond RAM: does not stick\n
; expect-serial: -- descriptor games\n
; expect-serial: the LDT is the GDT: load: nothing happened\n
; expect-serial: the LDT is the GDT: a data segment out of it: nothing happened\n
; expect-serial:   what it shows: 600DF00D\n
; expect-serial: the LDT is the GDT: an LDT out of it: #GP (13) error 00000034 EIP +0\n
; expect-serial: LLDT of a data segment: #GP (13) error 00000010 EIP +0\n
; expect-serial: LTR of a code segment: #GP (13) error 00000008 EIP +0\n
; expect-serial: LTR of a task state at an odd address: nothing happened\n
; expect-serial: LTR of it again: it is busy: #GP (13) error 00000038 EIP +0\n
; expect-serial: JMP to the task that is running: #GP (13) error 00000038 EIP +0\n
; expect-serial: a call gate to a call gate: #GP (13) error 00000048 EIP +0\n
; expect-serial: a call gate to data: #GP (13) error 00000010 EIP +0\n
; expect-serial: a call gate to nothing: #GP (13) error 00000000 EIP +0\n
; expect-serial: a call gate that is not present: #NP (11) error 00000058 EIP +0\n
; expect-serial: a far call to a null selector: #GP (13) error 00000000 EIP +0\n
; expect-serial: a selector beyond the table: #GP (13) error 0000FFF8 EIP +0\n
; expect-serial: SS = null: #GP (13) error 00000000 EIP +0\n
; expect-serial: SS with RPL 3 in ring 0: #GP (13) error 00000010 EIP +0\n
; expect-serial: a GDT that wraps around: its second descriptor shows: 600DF00D\n
; expect-serial: -- ring 3\n
; expect-serial: a page of the kernel: read: #PF (14) error 00000005 EIP +0 CR2 4000A000\n
; expect-serial: a page of the kernel: write: #PF (14) error 00000007 EIP +0 CR2 4000A000\n
; expect-serial: a page of the kernel: across the edge from its own: #PF (14) error 00000005 EIP +0 CR2 4000A000\n
; expect-serial: a page of the kernel: a string that ends in it: #PF (14) error 00000005 EIP +0 CR2 4000A000\n
; expect-serial:   left: ECX FFFFFFFB ESI 4000A000 EDI 4000A000\n
; expect-serial: a page of the kernel: run: #PF (14) error 00000005 EIP +0 CR2 4000A000\n
; expect-serial: the directory, through itself: #PF (14) error 00000005 EIP +0 CR2 FFFFF000\n
; expect-serial: a kernel segment out of the LDT: #GP (13) error 00000014 EIP +0\n
; expect-serial: a kernel's code segment: #GP (13) error 00000008 EIP +0\n
; expect-serial: LGDT: #GP (13) error 00000000 EIP +0\n
; expect-serial: MOV CR3: #GP (13) error 00000000 EIP +0\n
; expect-serial: OUT: #GP (13) error 00000000 EIP +0\n
; expect-serial: INT 14, as if a page fault had come: #GP (13) error 00000072 EIP +0\n
; expect-serial: -- into the middle of instructions\n
; expect-serial: the same bytes run in two ways, 2000 times: 7D7D9AB0\n
; expect-serial: 14 prefixes and a NOP: nothing happened\n
; expect-serial: 15 prefixes and a NOP: #GP (13) error 00000000 EIP +0\n
; expect-serial: prefixes across an edge into nothing: #PF (14) error 00000000 EIP +0 CR2 4000D000\n
; expect-serial: -- more code than any cache holds, and code that never stays\n
; expect-serial: 16384 functions, three times: 17FFA000\n
; expect-serial: the next instruction, changed 20000 times: 0BEBE910\n
; expect-serial: a function changed through an alias 8000 times: 00002328\n
; expect-serial: done\n
;
; What a machine answers here is in the manual, so that QEMU prints the same; what only the VMM can answer is in redteam-vmm. A guest that
; gets at something that is not its own shows it by a line that differs - or the VMM is gone, with the lines that were not printed.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"
%include "attack.inc"

HIGH_BASE       equ FREE0               ; flat, from FFFFF000 on: wraps around
OVER_GDT        equ FREE0 + 8           ; an LDT that is the GDT
ODD_TSS         equ FREE0 + 16          ; a task state at an odd address
GATE_TO_GATE    equ FREE0 + 24          ; a call gate to a call gate
GATE_TO_DATA    equ FREE0 + 32
GATE_TO_NULL    equ FREE0 + 40
GATE_ABSENT     equ FREE0 + 48
SPRAY           equ 0x400000            ; functions from 4 MiB on
SPRAYED         equ 16384
BEYOND          equ 0x0F000000          ; no RAM here

%macro SEGMENT 4                        ; selector, base, first and second dword without base
        mov dword [gdt + %1], %3
        mov dword [gdt + %1 + 4], %4
        SET_DESCRIPTOR_BASE %1, %2
%endmacro

start:  ENTER_FLAT
        SEGMENT HIGH_BASE, 0xFFFFF000, 0x0000FFFF, 0x00CF9200
        SEGMENT OVER_GDT, gdt, gdt_end - gdt - 1, SEG_LDT << 8
        SEGMENT ODD_TSS, tss + 3, 103, SEG_TSS32 << 8
        mov dword [gdt + GATE_TO_GATE], (GATE_TO_DATA << 16)
        mov dword [gdt + GATE_TO_GATE + 4], GATE_CALL32 << 8
        mov dword [gdt + GATE_TO_DATA], (DATA0 << 16)
        mov dword [gdt + GATE_TO_DATA + 4], GATE_CALL32 << 8
        mov dword [gdt + GATE_TO_NULL], 0
        mov dword [gdt + GATE_TO_NULL + 4], GATE_CALL32 << 8
        mov dword [gdt + GATE_ABSENT], (CODE0 << 16)
        mov dword [gdt + GATE_ABSENT + 4], (GATE_CALL32 & 0x7F) << 8

        PRINT "-- addresses that wrap around at 4 GiB", 10
        mov ax, HIGH_BASE
        mov fs, ax
        RESULT "base FFFFF000, the offset of something plus 1000", dword [fs:marker + 0x1000]
        mov eax, marker + 16            ; a base behind it, and an offset that leads back
        push eax
        SET_DESCRIPTOR_BASE HIGH_BASE, [esp]
        pop eax
        mov ax, HIGH_BASE
        mov fs, ax
        RESULT "a base 16 behind it, offset FFFFFFF0", dword [fs:0xFFFFFFF0]
        mov byte [fs:0xFFFFFFF3], 0x70
        RESULT "and a store there", dword [marker]
        mov byte [marker + 3], 0x60
        STICKS "a store to the last word below 4 GiB", 0xFFFFFFFC
        STICKS "a store to where no RAM is", BEYOND
        STICKS "a store to where no RAM is, far up", 0xE0000000

        PRINT "-- strings that meet the edge of a page", 10
        call enter_paging
        jmp .paged
.paged: MAP 1, frame_a + (P | RW)
        xor esi, esi
        TRAP "REP STOSD of FFFFFFFF elements, upwards"
        mov edi, WINDOW + 0x1000
        mov ecx, -1
        mov eax, 0xAAAAAAAA
        BEGIN
        rep stosd
        END_TRAP
        SEEN
        RESULT "  the last word before the edge", dword [frame_a + 4092]

        xor esi, esi
        TRAP "REP STOSD of FFFFFFFF elements, downwards"
        mov edi, WINDOW + 0x1FFC
        mov ecx, -1
        mov eax, 0xBBBBBBBB
        std
        BEGIN
        rep stosd
        END_TRAP
        SEEN
        RESULT "  the last word before the edge", dword [frame_a]

        TRAP "REP MOVSW of 80000000 elements, crooked"
        mov esi, WINDOW + 0x1001
        mov edi, WINDOW + 0x1003
        mov ecx, 0x80000000
        BEGIN
        rep movsw
        END_TRAP
        SEEN

        MAP 2, frame_b + P
        TRAP "REP MOVSB into a page that is read-only"
        mov esi, WINDOW + 0x1000
        mov edi, WINDOW + 0x1FF0
        mov ecx, 0xFFFF
        BEGIN
        rep movsb
        END_TRAP
        SEEN
        MAP 2, 0

        TRAP "REP LODSB of FFFFFFFF elements from nowhere"
        mov esi, WINDOW + 0x5000
        mov ecx, -1
        BEGIN
        rep lodsb
        END_TRAP
        SEEN

        mov byte [frame_a + 0x800], 0x77
        TRAP "REPNE SCASB of FFFFFFFF elements that finds something"
        mov edi, WINDOW + 0x1000
        mov ecx, -1
        mov al, 0x77
        cld
        BEGIN
        repne scasb
        mov [seen_ecx], ecx
        mov [seen_edi], edi
        mov [seen_esi], ecx
        END_TRAP
        SEEN

        TRAP "REPNE SCASB of FFFFFFFF elements that finds nothing"
        mov edi, WINDOW + 0x1000
        mov ecx, -1
        mov al, 0x78
        BEGIN
        repne scasb
        END_TRAP
        SEEN

        TRAP "REP OUTSB of FFFFFFFF bytes"
        mov esi, WINDOW + 0x1000
        mov ecx, -1
        mov edx, 0x80
        BEGIN
        rep outsb
        END_TRAP
        SEEN

        TRAP "REP INSB of FFFFFFFF bytes"
        mov edi, WINDOW + 0x1FF0
        mov ecx, -1
        mov edx, 0x80
        BEGIN
        rep insb
        END_TRAP
        SEEN

        MAP 8, 0xA0000 + (P | RW)
        TRAP "REP STOSB of FFFFFFFF bytes over the display's memory"
        mov edi, WINDOW + 0x8000
        mov ecx, -1
        BEGIN
        rep stosb
        END_TRAP
        SEEN

        MAP 9, BEYOND + (P | RW)
        TRAP "REP MOVSD of FFFFFFFF elements over nothing"
        mov esi, WINDOW + 0x9000
        mov edi, WINDOW + 0x9400
        mov ecx, -1
        BEGIN
        rep movsd
        END_TRAP
        SEEN

        mov dword [frame_a + 4092], 0x11111111
        TRAP "a word across the edge"
        BEGIN
        mov dword [WINDOW + 0x1FFE], 0x22222222
        END_TRAP
        RESULT "  what is before the edge", dword [frame_a + 4092]

        TRAP "an instruction across the edge"
        mov byte [frame_a + 4093], 0xB8
        mov eax, WINDOW + 0x1FFD
        mov dword [experiment], WINDOW + 0x1FFD
        BEGIN
        call eax
        END_TRAP

        PRINT "-- page tables that map page tables", 10
        mov eax, [0xFFFFFFFC]           ; the directory is the last table, and its own last page
        and eax, 0xFFFFF000
        cmp eax, directory
        CHECK e, "the directory sees itself"
        mov dword [0xFFC00000 + ((WINDOW >> 12) + 5) * 4], frame_b + (P | RW)
        mov dword [frame_b], 0xB0B0B0B0
        RESULT "a page that is mapped through the tables' own mapping", dword [WINDOW + 0x5000]
        mov dword [0xFFC00000 + ((WINDOW >> 12) + 5) * 4], 0
        invlpg [WINDOW + 0x5000]
        TRAP "and taken out again"
        BEGIN
        mov eax, [WINDOW + 0x5000]
        END_TRAP
        mov dword [directory + 512 * 4], directory + (P | RW)
        mov eax, [0x80000000 + 1023 * 4096 + (WINDOW >> 22) * 4]
        and eax, 0xFFFFF000
        cmp eax, table_window
        CHECK e, "the directory as a table, whose entries are frames"
        MAP 6, table_window + (P | RW)
        mov dword [WINDOW + 0x6000 + 7 * 4], frame_a + (P | RW)
        mov dword [frame_a], 0xA0A0A0A0
        RESULT "a table that maps itself, and then another page", dword [WINDOW + 0x7000]
        MAP 7, BEYOND + (P | RW)
        STICKS "a page whose frame is beyond RAM", WINDOW + 0x7010
        MAP 7, 0xFFFFF000 + (P | RW)
        STICKS "a page whose frame is the last one below 4 GiB", WINDOW + 0x7FF8
        mov dword [directory + 513 * 4], BEYOND + (P | RW | LARGE_PAGE)
        STICKS "a large page beyond RAM", 0x80400000 + 0x3FFFFC

        PRINT "-- descriptor games", 10
        TRAP "the LDT is the GDT: load"
        BEGIN
        mov ax, OVER_GDT
        lldt ax
        END_TRAP
        TRAP "the LDT is the GDT: a data segment out of it"
        BEGIN
        mov ax, DATA0 | 4
        mov fs, ax
        END_TRAP
        RESULT "  what it shows", dword [fs:marker]
        TRAP "the LDT is the GDT: an LDT out of it"
        mov ax, OVER_GDT | 4
        BEGIN
        lldt ax
        END_TRAP
        TRAP "LLDT of a data segment"
        mov ax, DATA0
        BEGIN
        lldt ax
        END_TRAP
        TRAP "LTR of a code segment"
        mov ax, CODE0
        BEGIN
        ltr ax
        END_TRAP
        TRAP "LTR of a task state at an odd address"
        mov ax, ODD_TSS
        BEGIN
        ltr ax
        END_TRAP
        TRAP "LTR of it again: it is busy"
        mov ax, ODD_TSS
        BEGIN
        ltr ax
        END_TRAP
        TRAP "JMP to the task that is running"
        BEGIN
        jmp ODD_TSS:0
        END_TRAP
        TRAP "a call gate to a call gate"
        BEGIN
        call GATE_TO_GATE:0
        END_TRAP
        TRAP "a call gate to data"
        BEGIN
        call GATE_TO_DATA:0
        END_TRAP
        TRAP "a call gate to nothing"
        BEGIN
        jmp GATE_TO_NULL:0
        END_TRAP
        TRAP "a call gate that is not present"
        BEGIN
        call GATE_ABSENT:0
        END_TRAP
        TRAP "a far call to a null selector"
        BEGIN
        call 0:0
        END_TRAP
        TRAP "a selector beyond the table"
        mov eax, 0xFFF8
        BEGIN
        mov fs, ax
        END_TRAP
        TRAP "SS = null"
        xor eax, eax
        BEGIN
        mov ss, ax
        END_TRAP
        TRAP "SS with RPL 3 in ring 0"
        mov ax, DATA0 | 3
        BEGIN
        mov ss, ax
        END_TRAP
        mov dword [0], 0x0000FFFF       ; a descriptor at address 0: the second of a table that begins at FFFFFFF8
        mov dword [4], 0x00CF9200
        sub esp, 8
        mov word [esp], 0xFFFF
        mov dword [esp + 2], 0xFFFFFFF8
        mov eax, 8
        lgdt [esp]
        mov fs, ax
        lgdt [gdt_pointer]
        add esp, 8
        RESULT "a GDT that wraps around: its second descriptor shows", dword [fs:marker]
        mov ax, DATA0
        mov fs, ax

        PRINT "-- ring 3", 10
        mov dword [tss + 3 + 4], stack_top - 4096
        mov dword [tss + 3 + 8], DATA0
        mov word [tss + 3 + 102], 104
        or dword [directory], US                ; ring 3 may use the first 4 MiB,
        or dword [directory + (WINDOW >> 22) * 4], US
        mov eax, cr3
        mov cr3, eax
        MAP 10, frame_a + (P | RW)              ; but not this page,
        MAP 11, frame_a + (P | RW | US)         ; whose frame it may use here
        mov dword [frame_a], 0xC3               ; RET
        TRAP "a page of the kernel: read"
        call to_ring_3
        BEGIN
        mov eax, [WINDOW + 0xA000]
        END_TRAP
        TRAP "a page of the kernel: write"
        call to_ring_3
        BEGIN
        mov [WINDOW + 0xA000], eax
        END_TRAP
        TRAP "a page of the kernel: across the edge from its own"
        MAP 9, frame_a + (P | RW | US)
        call to_ring_3
        BEGIN
        mov eax, [WINDOW + 0x9FFE]
        END_TRAP
        TRAP "a page of the kernel: a string that ends in it"
        call to_ring_3
        mov esi, WINDOW + 0x9FF0
        mov ecx, -1
        BEGIN
        rep lodsd
        END_TRAP
        SEEN
        TRAP "a page of the kernel: run"
        mov dword [experiment], WINDOW + 0xA000
        call to_ring_3
        BEGIN
        mov eax, WINDOW + 0xA000
        jmp eax
        END_TRAP
        TRAP "the directory, through itself"
        call to_ring_3
        BEGIN
        mov eax, [0xFFFFF000]
        END_TRAP
        TRAP "a kernel segment out of the LDT"
        call to_ring_3
        mov eax, DATA0 | 4
        BEGIN
        mov fs, ax
        END_TRAP
        TRAP "a kernel's code segment"
        call to_ring_3
        BEGIN
        jmp CODE0 | 3:marker
        END_TRAP
        TRAP "LGDT"
        call to_ring_3
        BEGIN
        lgdt [gdt_pointer]
        END_TRAP
        TRAP "MOV CR3"
        call to_ring_3
        BEGIN
        mov cr3, eax
        END_TRAP
        TRAP "OUT"
        call to_ring_3
        mov edx, POWER_OFF
        BEGIN
        out dx, ax
        END_TRAP
        TRAP "INT 14, as if a page fault had come"
        call to_ring_3
        BEGIN
        int 14
        END_TRAP
        xor eax, eax
        lldt ax

        PRINT "-- into the middle of instructions", 10
        xor ebx, ebx
        mov ecx, 2000
.both:  call two_in_one                 ; one ADD
        call two_in_one + 2             ; its operand: four INCs
        dec ecx
        jnz .both
        RESULT "the same bytes run in two ways, 2000 times", ebx
        TRAP "14 prefixes and a NOP"
        BEGIN
        times 14 db 0x66
        nop
        END_TRAP
        TRAP "15 prefixes and a NOP"
        BEGIN
        times 15 db 0x66
        nop
        END_TRAP
        TRAP "prefixes across an edge into nothing"
        mov edi, frame_a + 4080
        mov eax, 0x66666666
        mov ecx, 4
        rep stosd
        MAP 12, frame_a + (P | RW)
        MAP 13, 0
        mov dword [experiment], WINDOW + 0xCFF8
        mov eax, WINDOW + 0xCFF8
        BEGIN
        jmp eax
        END_TRAP

        PRINT "-- more code than any cache holds, and code that never stays", 10
        mov edi, SPRAY
        mov ecx, SPRAYED
        xor edx, edx
.spray: mov byte [edi], 0xB8            ; MOV EAX, its number
        mov [edi + 1], edx
        mov dword [edi + 5], 0x90C3C301 ; ADD EBX, EAX; RET
        inc edx
        add edi, 64
        dec ecx
        jnz .spray
        xor ebx, ebx
        mov ebp, 3
.rounds:
        mov edi, SPRAY
        mov ecx, SPRAYED
.call:  call edi
        add edi, 64
        dec ecx
        jnz .call
        dec ebp
        jnz .rounds
        RESULT "16384 functions, three times", ebx

        xor ebx, ebx
        mov ecx, 20000
.own:   mov dword [.patched + 2], ecx   ; the operand of the next instruction
.patched:
        add ebx, 0x12345678
        dec ecx
        jnz .own
        RESULT "the next instruction, changed 20000 times", ebx

        MAP 14, SPRAY + (P | RW)
        mov dword [SPRAY], 0x90C34343   ; INC EBX; INC EBX; RET
        xor ebx, ebx
        mov ecx, 8000
.alias: mov eax, ecx
        and eax, 7
        or al, 0x40                     ; INC of any register; of ESP too, which the RET would not survive
        cmp al, 0x44
        jne .store
        mov al, 0x90
.store: mov [WINDOW + 0xE000], al       ; by way of another address
        push ebp
        push esi
        push edi
        push ecx
        mov eax, SPRAY
        call eax
        pop ecx
        pop edi
        pop esi
        pop ebp
        dec ecx
        jnz .alias
        RESULT "a function changed through an alias 8000 times", ebx
        PRINT "done", 10
        jmp power_off

; Entered at its first byte: ADD EBX, 43434343. Entered at its third: INC EBX, four times.
two_in_one:
        db 0x81, 0xC3, 0x43, 0x43, 0x43, 0x43
        ret

; Goes on after the CALL in ring 3, on another stack. Only a trap leads back.
to_ring_3:
        pop eax
        mov cx, DATA3
        mov ds, cx
        mov es, cx
        push dword DATA3
        push dword user_stack_top
        push dword 2
        push dword CODE3
        push eax
        iretd

        section .bss
        alignb 16
                resb 4096
user_stack_top:
tss:            resb 112
