; guest: v8086
; format: multiboot
; teaches: a virtual machine monitor of 150 lines: real-mode code in a virtual-8086 task, every sensitive instruction a trap
; expect-status: 0
; expect-serial: hello from virtual-8086 mode\n
; expect-serial: INT 60h: in our handler, back from our own handler\n
; expect-serial: IF after CLI: 0, after STI: 1, after POPF: 0\n
; expect-serial: divide error: [vector 0 reflected] in our handler, repaired\n
; expect-serial: INT3: [vector 3 reflected] in our handler, passed\n
; expect-serial: an open port: done; a closed one: [IN from port 00000021 gives FF] [OUT of 00000021 to port 000003F8] done\n
; expect-serial: STR: [#UD: no such instruction in virtual-8086 mode; skipped] \n
; expect-serial: CR0: [MOV from CR0 answered with 0] 0, but SMSW does not trap: 1\n
; expect-serial: FFFF:0010 is at 1 MiB\n
; expect-serial: [HLT: the guest is done]\n
; expect-serial: CLI 1, STI 2, PUSHF 3, POPF 1, INT 295, IRET 3, general protection faults 309\n
;
; Virtual-8086 mode is the one corner of the old architecture that *can* be virtualized by trapping: at IOPL < 3 the
; instructions that touch IF (CLI STI PUSHF POPF INT n IRET) fault, and ports obey the I/O bitmap (SDM 3B 20.2, 20.3).
; The monitor below gives its guest a virtual interrupt flag, reflects INT n to the guest's own vector table, and stands
; in for a BIOS and for ports. It is a VMM inside the VMM that runs it.
;
; "[...]" in the output is the monitor speaking; the rest comes from the guest, by INT 10h or through its own handlers.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

TSS             equ FREE0
GUEST_SEGMENT   equ 0x1000              ; the guest's 64 KiB begin at 0x10000
GUEST_BASE      equ GUEST_SEGMENT * 16

start:  ENTER_FLAT
        mov dword [gdt + TSS], tss_end - tss - 1
        mov dword [gdt + TSS + 4], SEG_TSS32 << 8
        SET_DESCRIPTOR_BASE TSS, tss
        mov dword [tss + 4], monitor_stack_top
        mov dword [tss + 8], DATA0
        mov word [tss + 102], tss_bitmap - tss
        mov edi, tss_bitmap
        mov ecx, tss_end - tss_bitmap
        mov al, 0xFF
        rep stosb
        and byte [tss_bitmap + 0x80 / 8], ~1            ; port 0x80 is passed through
        mov ax, TSS
        ltr ax
        SET_GATE 3, exception_stub_3, GATE_INT32 | SEG_DPL3     ; INT3 is not IOPL-sensitive: it goes straight to the
        SET_GATE 4, exception_stub_4, GATE_INT32 | SEG_DPL3     ; IDT, and so does INTO; v86 code is at level 3

        mov esi, guest16
        mov edi, GUEST_BASE
        mov ecx, guest16_end - guest16
        rep movsb

        xor eax, eax                    ; nine words for an IRETD to virtual-8086 mode (SDM 3B 20.2.2)
        push eax                        ; GS
        push eax                        ; FS
        push dword GUEST_SEGMENT        ; DS
        push dword GUEST_SEGMENT        ; ES
        push dword GUEST_SEGMENT        ; SS
        push dword 0xFFFE               ; ESP
        push dword EFLAGS_VM | 2        ; EFLAGS: VM set, IOPL 0
        push dword GUEST_SEGMENT        ; CS
        push eax                        ; EIP
        iretd

; ================================================================================================== the monitor
; EBP = the frame, all the way through. The guest's registers are in it; its memory is at segment * 16 + offset.
on_exception:
        mov ax, DATA0                   ; the CPU has emptied DS, ES, FS and GS: their old values are in the frame
        mov ds, ax
        mov es, ax
        mov ebp, esp
        test dword [ebp + FRAME.eflags], EFLAGS_VM
        jz .own_fault
        mov eax, [ebp + FRAME.vector]
        cmp eax, 13
        je emulate
        cmp eax, 6
        je .invalid
        ; Every other exception belongs to the guest: #DE, #BP, #OF and so on have the same vectors in real mode.
        PRINT "[vector "
        PRINT_DEC eax
        PRINT " reflected] "
        call reflect
        EXCEPTION_RETURN
.invalid:
        PRINT "[#UD: no such instruction in virtual-8086 mode; skipped] "
        add dword [ebp + FRAME.eip], 3
        EXCEPTION_RETURN
.own_fault:
        PRINT "the monitor itself faulted, vector "
        PRINT_DEC dword [ebp + FRAME.vector]
        PRINT 10
        jmp fail

; #GP from the guest: look at the instruction, and do in software what it wanted to do.
emulate:
        inc dword [traps]
        call fetch
        cmp al, 0xFA
        je .cli
        cmp al, 0xFB
        je .sti
        cmp al, 0x9C
        je .pushf
        cmp al, 0x9D
        je .popf
        cmp al, 0xCD
        je .int
        cmp al, 0xCF
        je .iret
        cmp al, 0xE4
        je .in
        cmp al, 0xEE
        je .out
        cmp al, 0xF4
        je .hlt
        cmp al, 0x0F
        je .privileged
        PRINT "[#GP at an instruction that this monitor does not know]", 10
        jmp fail

.cli:   inc dword [count_cli]
        mov dword [virtual_if], 0
        EXCEPTION_RETURN
.sti:   inc dword [count_sti]
        mov dword [virtual_if], EFLAGS_IF
        EXCEPTION_RETURN
.pushf: inc dword [count_pushf]
        call virtual_flags
        call push_word
        EXCEPTION_RETURN
.popf:  inc dword [count_popf]
        call pop_word
        call set_virtual_flags
        EXCEPTION_RETURN
.int:   inc dword [count_int]
        call fetch
        cmp al, 0x10
        je .teletype
        call reflect
        EXCEPTION_RETURN
.iret:  inc dword [count_iret]
        call pop_word
        mov [ebp + FRAME.eip], eax
        call pop_word
        mov [ebp + FRAME.cs], eax
        call pop_word
        call set_virtual_flags
        EXCEPTION_RETURN
.in:    call fetch
        PRINT "[IN from port "
        PRINT_HEX eax
        PRINT " gives FF] "
        mov byte [ebp + FRAME.eax], 0xFF
        EXCEPTION_RETURN
.out:   PRINT "[OUT of "
        movzx eax, byte [ebp + FRAME.eax]
        PRINT_HEX eax
        PRINT " to port "
        movzx eax, word [ebp + FRAME.edx]
        PRINT_HEX eax
        PRINT "] "
        EXCEPTION_RETURN
.privileged:                            ; MOV r32, CR0 (0F 20 C0): what a real-mode CPU would answer
        call fetch
        call fetch
        mov dword [ebp + FRAME.eax], 0
        PRINT "[MOV from CR0 answered with 0] "
        EXCEPTION_RETURN
.teletype:                              ; the BIOS service, AH = 0Eh
        movzx eax, byte [ebp + FRAME.eax]
        PRINT_CHAR eax
        EXCEPTION_RETURN
.hlt:   PRINT "[HLT: the guest is done]", 10
        PRINT "CLI "
        PRINT_DEC dword [count_cli]
        PRINT ", STI "
        PRINT_DEC dword [count_sti]
        PRINT ", PUSHF "
        PRINT_DEC dword [count_pushf]
        PRINT ", POPF "
        PRINT_DEC dword [count_popf]
        PRINT ", INT "
        PRINT_DEC dword [count_int]
        PRINT ", IRET "
        PRINT_DEC dword [count_iret]
        PRINT ", general protection faults "
        PRINT_DEC dword [traps]
        PRINT 10
        jmp power_off

; EAX = the byte at CS:IP; IP + 1.
fetch:  movzx ecx, word [ebp + FRAME.cs]
        shl ecx, 4
        movzx eax, word [ebp + FRAME.eip]
        inc word [ebp + FRAME.eip]
        movzx eax, byte [ecx + eax]
        ret

; Pushes AX on the guest's stack; SP wraps within the segment.
push_word:
        movzx ecx, word [ebp + FRAME.ss]
        shl ecx, 4
        sub word [ebp + FRAME.esp], 2
        movzx edx, word [ebp + FRAME.esp]
        mov [ecx + edx], ax
        ret

; EAX = a word from the guest's stack.
pop_word:
        movzx ecx, word [ebp + FRAME.ss]
        shl ecx, 4
        movzx edx, word [ebp + FRAME.esp]
        add word [ebp + FRAME.esp], 2
        movzx eax, word [ecx + edx]
        ret

; EAX = FLAGS as the guest is to see them: its own IF, and IOPL 0 as it believes to own the machine.
virtual_flags:
        movzx eax, word [ebp + FRAME.eflags]
        and eax, ~(EFLAGS_IF | EFLAGS_IOPL)
        or eax, [virtual_if]
        ret

; FLAGS = AX, except that the real IF and IOPL stay as they are.
set_virtual_flags:
        mov ecx, eax
        and ecx, EFLAGS_IF
        mov [virtual_if], ecx
        and eax, 0x0DD5                 ; OF DF TF SF ZF AF PF CF
        and dword [ebp + FRAME.eflags], ~0x0DD5
        or [ebp + FRAME.eflags], eax
        ret

; Delivers vector EAX as an 8086 would: push FLAGS, CS, IP, clear IF and TF, go where the table at 0 says.
reflect:
        push eax
        call virtual_flags
        call push_word
        mov ax, [ebp + FRAME.cs]
        call push_word
        mov ax, [ebp + FRAME.eip]
        call push_word
        mov dword [virtual_if], 0
        and dword [ebp + FRAME.eflags], ~EFLAGS_TF
        pop eax
        movzx ecx, word [eax * 4]
        mov [ebp + FRAME.eip], ecx
        movzx ecx, word [eax * 4 + 2]
        mov [ebp + FRAME.cs], ecx
        ret

; ==================================================================================== the guest: 16-bit code, copied to 1000:0000
        section .rodata
        bits 16
guest16:
%define AT(label) (label - guest16)     ; an offset in the guest's segment
%macro SAY 1+
        %push say
        mov si, AT(%$text)
        call say
        jmp %$on
%$text: db %1, 0
%$on:
        %pop
%endmacro

        xor ax, ax
        mov es, ax                      ; three vectors of our own
        mov word [es:0x60 * 4], AT(service_60)
        mov word [es:0x60 * 4 + 2], cs
        mov word [es:0 * 4], AT(divide_error)
        mov word [es:0 * 4 + 2], cs
        mov word [es:3 * 4], AT(breakpoint)
        mov word [es:3 * 4 + 2], cs

        SAY "hello from virtual-8086 mode", 10

        SAY "INT 60h: "
        int 0x60
        SAY "back from our own handler", 10

        SAY "IF after CLI: "
        cli
        pushf
        pop ax
        call say_if
        SAY ", after STI: "
        sti
        pushf
        pop ax
        call say_if
        SAY ", after POPF: "
        push word 2
        popf
        pushf
        pop ax
        call say_if
        sti
        SAY 10

        SAY "divide error: "
        xor dx, dx
        xor cx, cx
        mov ax, 1
        div cx
        SAY "repaired", 10

        SAY "INT3: "
        int3
        SAY "passed", 10

        SAY "an open port: "
        mov al, 0x42
        out 0x80, al
        SAY "done; a closed one: "
        in al, 0x21
        cmp al, 0xFF
        jne wrong
        mov dx, 0x3F8
        mov al, 0x21
        out dx, al
        SAY "done", 10

        SAY "STR: "
        str ax
        SAY 10, "CR0: "
        mov eax, cr0
        and al, 1
        call say_bit
        SAY ", but SMSW does not trap: "
        smsw ax
        call say_bit
        SAY 10

        ; Above 1 MiB by segment arithmetic, as with A20 on: FFFF:0010 is 0x100000, where our loader put the Multiboot
        ; header.
        mov ax, 0xFFFF
        mov es, ax
        cmp word [es:0x10], 0xB002
        jne wrong
        SAY "FFFF:0010 is at 1 MiB", 10
        hlt

wrong:  SAY "WRONG", 10
        hlt

service_60:
        SAY "in our handler, "
        iret

; Real mode pushes the address of the DIV itself: step over its two bytes.
divide_error:
        push bp
        mov bp, sp
        add word [bp + 2], 2
        pop bp
        SAY "in our handler, "
        iret

breakpoint:
        SAY "in our handler, "
        iret

; AX = FLAGS
say_if: shr ax, 9
say_bit:
        and al, 1
        add al, '0'
        mov ah, 0x0E
        int 0x10
        ret

; SI = text
say:    push ax
.next:  cs lodsb
        test al, al
        jz .done
        mov ah, 0x0E
        int 0x10
        jmp .next
.done:  pop ax
        ret
guest16_end:
        bits 32

        section .data
        align 4
virtual_if:     dd 0
traps:          dd 0
count_cli:      dd 0
count_sti:      dd 0
count_pushf:    dd 0
count_popf:     dd 0
count_int:      dd 0
count_iret:     dd 0

        section .bss
        alignb 16
tss:            resb 104
tss_bitmap:     resb 0x400 / 8 + 1
tss_end:
        alignb 16
                resb 8192
monitor_stack_top:
