; guest: popek
; format: multiboot
; teaches: what a kernel sees when a monitor only traps and emulates: run it with --engine naive too, and compare
; expect-status: 0
; expect-serial: -- privileged instructions: they trap, and a monitor can do its work\n
; expect-serial: STI, and the timer ticks: yes\n
; expect-serial: MOV EAX, CR0, bits 3-0: 00000001\n
; expect-serial: -- sensitive instructions that do not trap\n
; expect-serial: POPF with IF set, and the timer ticks: yes\n
; expect-serial: PUSHF after CLI, bit 9 (IF): 00000000\n
; expect-serial: SMSW, bits 3-0: 00000001\n
; expect-serial: SGDT stores what LGDT loaded: yes\n
; expect-serial: SIDT stores what LIDT loaded: yes\n
; expect-serial: SLDT: 00000000\n
; expect-serial: STR stores what LTR loaded: yes\n
; expect-serial: PUSH CS: 00000008\n
; expect-serial: MOV EAX, SS: 00000010\n
; expect-serial: LAR of our own data segment: 00C09300\n
; expect-serial: LSL of our own data segment: FFFFFFFF\n
; expect-serial: VERW of our own data segment: writable\n
; expect-serial: 0 answers were not this machine's\n
;
; A kernel asks the machine who it is. The first part needs instructions that trap outside ring 0, the second those that
; Robin and Irvine found to be sensitive and not to trap (USENIX Security 2000). Under a monitor that only traps and
; emulates (`toyvmm run popek --engine naive`) this kernel really runs in ring 3: the first part stays right, and in the
; second the monitor's own tables, flags and ring show through - or, worse, nothing happens: POPF drops IF in silence, and
; a kernel that opens interrupts that way never hears its timer again. The guest's status is then 3.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

TSS             equ FREE0
TIMER           equ 0x20                ; its vector
PATIENCE        equ 4000000             ; loops; a tick comes within a tenth of them

; ANSWER register, expected: prints it, and counts it when it is not ours.
%macro ANSWER 2
        PRINT_HEX %1
        PRINT 10
        cmp %1, %2
        je %%ours
        inc dword [strangers]
%%ours:
%endmacro

; YES_IF condition: prints yes, or no and counts it.
%macro YES_IF 1
        j%1 %%yes
        PRINT "no", 10
        inc dword [strangers]
        jmp %%end
%%yes:  PRINT "yes", 10
%%end:
%endmacro

start:  ENTER_FLAT
        mov eax, cr0
        and eax, ~0xE                   ; MP, EM, TS: whatever the loader left
        mov cr0, eax
        call start_timer
        SET_DESCRIPTOR_BASE TSS, tss
        mov eax, TSS
        ltr ax
        xor eax, eax
        lldt ax

        PRINT "-- privileged instructions: they trap, and a monitor can do its work", 10
        PRINT "STI, and the timer ticks: "
        mov dword [ticks], 0
        sti
        call wait_for_tick
        cli
        cmp dword [ticks], 0
        YES_IF ne
        PRINT "MOV EAX, CR0, bits 3-0: "
        mov eax, cr0
        and eax, 0xF
        ANSWER eax, CR0_PE

        PRINT "-- sensitive instructions that do not trap", 10
        PRINT "POPF with IF set, and the timer ticks: "
        mov dword [ticks], 0
        push dword EFLAGS_IF | 2
        popfd                           ; in ring 3 with IOPL 0: IF stays, and no fault (SDM 2B, POPF)
        call wait_for_tick
        cli
        cmp dword [ticks], 0
        YES_IF ne

        PRINT "PUSHF after CLI, bit 9 (IF): "
        cli
        pushfd
        pop eax
        and eax, EFLAGS_IF
        ANSWER eax, 0

        PRINT "SMSW, bits 3-0: "
        smsw eax
        and eax, 0xF
        ANSWER eax, CR0_PE

        PRINT "SGDT stores what LGDT loaded: "
        sgdt [stored]
        mov esi, gdt_pointer
        call compare_pointer
        YES_IF e

        PRINT "SIDT stores what LIDT loaded: "
        sidt [stored]
        mov esi, idt_pointer
        call compare_pointer
        YES_IF e

        PRINT "SLDT: "
        xor eax, eax
        sldt ax
        ANSWER eax, 0

        PRINT "STR stores what LTR loaded: "
        xor eax, eax
        str ax
        cmp eax, TSS
        YES_IF e

        PRINT "PUSH CS: "
        push cs
        pop eax
        and eax, 0xFFFF
        ANSWER eax, CODE0

        PRINT "MOV EAX, SS: "
        xor eax, eax
        mov ax, ss
        ANSWER eax, DATA0

        PRINT "LAR of our own data segment: "
        mov ecx, DATA0
        xor eax, eax
        lar eax, ecx                    ; ZF and EAX stay clear where the descriptor cannot be seen
        and eax, 0x00F0FF00             ; the limit's bits are undefined (SDM 2A, LAR)
        ANSWER eax, 0x00C09300

        PRINT "LSL of our own data segment: "
        xor eax, eax
        lsl eax, ecx
        ANSWER eax, 0xFFFFFFFF

        PRINT "VERW of our own data segment: "
        verw cx
        jz .writable
        PRINT "not "
        inc dword [strangers]
.writable:
        PRINT "writable", 10

        PRINT_DEC dword [strangers]
        PRINT " answers were not this machine's", 10
        cmp dword [strangers], 0
        je power_off
        jmp fail

; ZF: the six bytes at [stored] and at ESI are equal. Changes ECX, ESI, EDI.
compare_pointer:
        mov edi, stored
        mov ecx, 6
        repe cmpsb
        ret

; Until the timer's handler has run, or patience ends. Changes ECX.
wait_for_tick:
        mov ecx, PATIENCE
.next:  cmp dword [ticks], 0
        jne .done
        dec ecx
        jnz .next
.done:  ret

; IRQ 0 alone, every millisecond, at vector 20h (8259A and 8254 data sheets).
start_timer:
        mov al, 0x11                    ; ICW1: edge triggered, cascade, ICW4 follows
        out PIC1, al
        mov al, TIMER                   ; ICW2: vector base
        out PIC1 + 1, al
        mov al, 1 << 2                  ; ICW3: the slave hangs on IR2
        out PIC1 + 1, al
        mov al, 1                       ; ICW4: 8086 mode
        out PIC1 + 1, al
        mov al, ~1 & 0xFF               ; all but IRQ 0 masked
        out PIC1 + 1, al
        mov al, 0x34                    ; channel 0, both bytes, mode 2
        out PIT_COMMAND, al
        mov al, (PIT_HZ / 1000) & 0xFF
        out PIT_CHANNEL0, al
        mov al, (PIT_HZ / 1000) >> 8
        out PIT_CHANNEL0, al
        SET_GATE TIMER, on_timer, GATE_INT32
        ; LTR wants a TSS, and the free slots of the table are empty.
        mov dword [gdt + TSS], 103
        mov dword [gdt + TSS + 4], SEG_TSS32 << 8
        ret

on_timer:
        push eax
        inc dword [ticks]
        mov al, PIC_EOI
        out PIC1, al
        pop eax
        iretd

on_exception:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT " at "
        PRINT_HEX dword [esp + FRAME.eip]
        PRINT 10
        jmp fail

        section .bss
        alignb 4
ticks:          resd 1
strangers:      resd 1
stored:         resd 2
tss:            resb 104
