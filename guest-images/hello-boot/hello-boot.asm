; guest: hello-boot
; format: boot-sector
; teaches: what a PC does before any operating system: the BIOS loads 512 bytes, and offers services through INT
; expect-status: 33
; expect-serial: Hello, world\n
;
; The BIOS reads the first sector of the disk to 0x7C00, checks that it ends in 55 AA, and jumps there with the drive's
; number in DL (BIOS Boot Specification 6.5.1). The text goes to two places: through the BIOS's teletype service to the
; screen (`toyvmm run --screen` shows it), and straight to the UART.

        bits 16
        org 0x7C00
%include "toyvmm.inc"

start:  cli                             ; no interrupt between the two halves of SS:SP
        xor ax, ax
        mov ss, ax
        mov sp, 0x7C00                  ; the stack grows down from the code
        sti
        mov ds, ax
        cld

        mov si, text
.next:  lodsb
        test al, al
        jz .serial
        mov ah, 0x0E                    ; INT 10h AH=0Eh: teletype output, AL = character, BH = page
        mov bx, 0x0007
        int 0x10                        ; real mode: the vector is a far pointer at 4 * 0x10 (SDM 3B 20.1.4)
        jmp .next

.serial:
        call serial_init16
        mov si, text_serial
        call print16
        call serial_drain16
        mov al, 16                      ; (16 << 1) | 1 = 33: an unmistakable "yes"
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

%include "console16.inc"

text:   db "Hello from the boot sector", 13, 10, 0
text_serial:
        db "Hello, world", 10, 0

        times 510 - ($ - $$) db 0
        dw 0xAA55
