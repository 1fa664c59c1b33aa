; guest: keyboard
; format: multiboot
; teaches: the 8042: self test, command byte, scan codes by IRQ 1, make and break, the shift key
; expect-status: 0
; expect-serial: controller self test: 00000055\n
; expect-serial: keyboard interface test: 00000000\n
; expect-serial: command byte: 00000045\n
; expect-serial: keyboard echo: 000000EE\n
; expect-serial: typed: Hello world\n
; expect-serial: interrupts: 24\n
;
; Nobody needs to sit at the keyboard: the controller's command D2h puts a byte into its output buffer as if a key had
; sent it, interrupt and all (IBM PS/2 Technical Reference, "Keyboard Controller").

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

STATUS_OUTPUT   equ 1                   ; a byte waits for us at port 60h
STATUS_INPUT    equ 2                   ; the controller has not yet taken our last byte
SHIFT           equ 0x2A                ; set 1: left shift; a break code has bit 7 set

start:  ENTER_FLAT
        SET_GATE 0x21, on_keyboard, GATE_INT32
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
        mov al, 0xFF
        out PIC1 + 1, al
        out PIC2 + 1, al

.flush: in al, KBC_COMMAND              ; the BIOS may have left something behind
        test al, STATUS_OUTPUT
        jz .flushed
        in al, KBC_DATA
        jmp .flush
.flushed:

        mov al, 0xAD                    ; keyboard off while the controller is examined
        call command
        mov al, 0xAA
        call command
        call receive
        PRINT "controller self test: "
        PRINT_HEX eax
        mov al, 0xAB
        call command
        call receive
        PRINT 10, "keyboard interface test: "
        PRINT_HEX eax
        PRINT 10
        mov al, 0x60                    ; write the command byte: interrupt on, system flag, translation to set 1
        call command
        mov al, 0x45
        call data
        mov al, 0x20                    ; read it back
        call command
        call receive
        and eax, 0x45
        PRINT "command byte: "
        PRINT_HEX eax
        PRINT 10
        mov al, 0xAE                    ; keyboard on
        call command

        mov al, 0xEE                    ; to the keyboard itself: echo
        call data
        call receive
        PRINT "keyboard echo: "
        PRINT_HEX eax
        PRINT 10

        mov al, 0xFD                    ; IRQ 1 only
        out PIC1 + 1, al
        PRINT "typed: "
        mov esi, keys
.type:  lodsb
        test al, al
        jz .typed
        mov ah, al
        mov ebx, [keystrokes]
        mov al, 0xD2
        call command
        mov al, ah
        call data
        sti
.wait:  cmp [keystrokes], ebx           ; until the handler has had it
        je .wait
        cli
        jmp .type
.typed: PRINT 10, "interrupts: "
        PRINT_DEC dword [keystrokes]
        PRINT 10
        jmp power_off

; AL = a command for the controller.
command:
        call wait_input
        out KBC_COMMAND, al
        ret
; AL = a byte of data, for the controller's last command or for the keyboard.
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
; EAX = the next byte from controller or keyboard.
receive:
        in al, KBC_COMMAND
        test al, STATUS_OUTPUT
        jz receive
        xor eax, eax
        in al, KBC_DATA
        ret

on_keyboard:
        pushad
        xor eax, eax
        in al, KBC_DATA
        inc dword [keystrokes]
        mov ecx, eax
        and ecx, 0x7F
        cmp cl, SHIFT
        jne .not_shift
        test al, 0x80
        setz [shifted]                  ; make: down; break: up
        jmp .done
.not_shift:
        test al, 0x80
        jnz .done                       ; a key that goes up
        mov al, [lower + ecx]
        cmp byte [shifted], 0
        je .print
        and al, ~0x20                   ; enough for letters
.print: PRINT_CHAR eax
.done:  mov al, PIC_EOI
        out PIC1, al
        popad
        iretd

on_exception:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT 10
        jmp fail

        section .rodata
; Scan code set 1, 00-39.
lower:  db 0, 27, "1234567890-=", 8, 9, "qwertyuiop[]", 10, 0, "asdfghjkl;'`", 0, "\zxcvbnm,./", 0, "*", 0, " "
        times 128 - ($ - lower) db '?'
; Shift down, H, shift up, ello, space, world: make and break codes as a keyboard sends them.
keys:   db SHIFT, 0x23, 0xA3, SHIFT | 0x80, 0x12, 0x92, 0x26, 0xA6, 0x26, 0xA6, 0x18, 0x98, 0x39, 0xB9
        db 0x11, 0x91, 0x18, 0x98, 0x13, 0x93, 0x26, 0xA6, 0x20, 0xA0, 0

        section .bss
        alignb 4
keystrokes:     resd 1
shifted:        resb 1
