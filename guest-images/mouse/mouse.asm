; guest: mouse
; format: multiboot
; teaches: the PS/2 mouse behind the 8042: commands through the auxiliary port, IRQ 12, the knock that makes a wheel appear
; expect-status: 0
; expect-serial: auxiliary interface test: 00\n
; expect-serial: FF reset: FA AA 00\n
; expect-serial: F2 identify: FA 00\n
; expect-serial: E9 status: FA 00 02 64\n
; expect-serial: E7 scaling 2 to 1: FA\n
; expect-serial: E8 resolution: FA\n
; expect-serial:   8 counts a millimetre: FA\n
; expect-serial: F3 sample rate: FA\n
; expect-serial:   200 a second: FA\n
; expect-serial: E9 status: FA 10 03 C8\n
; expect-serial: F3 sample rate: FA\n
; expect-serial:   100: FA\n
; expect-serial: F3 sample rate: FA\n
; expect-serial:   80: FA\n
; expect-serial: F2 identify: FA 03\n
; expect-serial: EB read data: FA 08 00 00 00\n
; expect-serial: EE wrap: FA\n
; expect-serial:   an echo: 5A\n
; expect-serial: EC no more wrap: FA\n
; expect-serial: F6 defaults: FA\n
; expect-serial: E9 status: FA 00 02 64\n
; expect-serial: interrupts on, reports on: FA\n
; expect-serial: three bytes as if from the mouse: 29 05 FB\n
; expect-serial: interrupts: 4\n
;
; The controller's command D4h sends the next byte to the mouse instead of the keyboard; D3h puts a byte into its output buffer as if the
; mouse had sent it (IBM PS/2 hardware interface technical reference, "keyboard and auxiliary device controller" and "mouse").

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

STATUS_OUTPUT   equ 0x01                ; a byte waits for us at port 60h ...
STATUS_INPUT    equ 0x02                ; the controller has not yet taken our last byte
STATUS_MOUSE    equ 0x20                ; ... and it is the mouse's

; ASK text, byte, answers: sends a byte to the mouse, prints what it says.
%macro ASK 3
        PRINT %1
        mov al, %2
        mov ecx, %3
        call ask
%endmacro

start:  ENTER_FLAT
        SET_GATE 0x2C, on_mouse, GATE_INT32
        mov al, 0x11
        out PIC1, al
        out PIC2, al
        mov al, 0x20
        out PIC1 + 1, al
        mov al, 0x28
        out PIC2 + 1, al
        mov al, 4
        out PIC1 + 1, al
        mov al, 2
        out PIC2 + 1, al
        mov al, 1
        out PIC1 + 1, al
        out PIC2 + 1, al
        mov al, 0xFB                    ; only the slave, and there only IRQ 12
        out PIC1 + 1, al
        mov al, 0xEF
        out PIC2 + 1, al

.flush: in al, KBC_COMMAND              ; the BIOS may have left something behind
        test al, STATUS_OUTPUT
        jz .flushed
        in al, KBC_DATA
        jmp .flush
.flushed:
        mov al, 0xAD                    ; the keyboard is silent, the mouse is on, no interrupts yet
        call command
        mov al, 0xA8
        call command
        mov al, 0x60
        call command
        mov al, 0x14
        call data
        mov al, 0xA9
        call command
        call receive
        PRINT "auxiliary interface test:"
        call print_byte
        PRINT 10

        ASK "FF reset:", 0xFF, 3
        ASK "F2 identify:", 0xF2, 2
        ASK "E9 status:", 0xE9, 4
        ASK "E7 scaling 2 to 1:", 0xE7, 1
        ASK "E8 resolution:", 0xE8, 1
        ASK "  8 counts a millimetre:", 3, 1
        ASK "F3 sample rate:", 0xF3, 1
        ASK "  200 a second:", 200, 1
        ASK "E9 status:", 0xE9, 4
        ASK "F3 sample rate:", 0xF3, 1
        ASK "  100:", 100, 1
        ASK "F3 sample rate:", 0xF3, 1
        ASK "  80:", 80, 1
        ASK "F2 identify:", 0xF2, 2
        ASK "EB read data:", 0xEB, 5
        ASK "EE wrap:", 0xEE, 1
        ASK "  an echo:", 0x5A, 1
        ASK "EC no more wrap:", 0xEC, 1
        ASK "F6 defaults:", 0xF6, 1
        ASK "E9 status:", 0xE9, 4

        mov al, 0x60                    ; the auxiliary interrupt
        call command
        mov al, 0x16
        call data
        PRINT "interrupts on, reports on:"
        mov al, 0xD4
        call command
        mov al, 0xF4
        call data
        call await_interrupt
        PRINT 10, "three bytes as if from the mouse:"
        mov esi, report
.next:  mov al, 0xD3
        call command
        lodsb
        call data
        call await_interrupt
        cmp esi, report.end
        jb .next
        PRINT 10, "interrupts: "
        PRINT_DEC dword [interrupts]
        PRINT 10
        jmp power_off

; Sends AL to the mouse and prints ECX answers. Every one of them must be marked as the mouse's.
ask:    mov ah, al
        mov al, 0xD4
        call command
        mov al, ah
        call data
.next:  call receive
        test ah, STATUS_MOUSE
        jnz .mouse
        PRINT " (from the keyboard!)"
.mouse: call print_byte
        dec ecx
        jnz .next
        PRINT 10
        ret

; Sleeps until the handler has printed a byte.
await_interrupt:
        mov ebx, [interrupts]
.wait:  cli
        cmp [interrupts], ebx
        jne .done
        sti
        hlt
        jmp .wait
.done:  ret

; AL = a command for the controller.
command:
        call wait_input
        out KBC_COMMAND, al
        ret
; AL = a byte of data, for the controller's last command.
data:   call wait_input
        out KBC_DATA, al
        ret
wait_input:
        push eax
.wait:  in al, KBC_COMMAND
        test al, STATUS_INPUT
        jnz .wait
        pop eax
        ret

; AL = the next byte from the controller, AH = the status that came with it.
receive:
        in al, KBC_COMMAND
        test al, STATUS_OUTPUT
        jz receive
        mov ah, al
        in al, KBC_DATA
        ret

; A space and AL as two digits.
print_byte:
        pushad
        movzx ebx, al
        PRINT_CHAR ' '
        mov eax, ebx
        shr eax, 4
        call .digit
        mov eax, ebx
        and eax, 15
        call .digit
        popad
        ret
.digit: movzx eax, byte [digits + eax]
        PRINT_CHAR eax
        ret

on_mouse:
        pushad
        in al, KBC_DATA
        call print_byte
        inc dword [interrupts]
        mov al, PIC_EOI
        out PIC2, al
        out PIC1, al
        popad
        iretd

on_exception:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT 10
        jmp fail

        section .rodata
digits: db "0123456789ABCDEF"
report: db 0x29, 0x05, 0xFB             ; left button, 5 to the right, 5 down
.end:
        section .bss
        alignb 4
interrupts:     resd 1
