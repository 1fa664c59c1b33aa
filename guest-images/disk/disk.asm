; guest: disk
; format: boot-sector
; teaches: an ATA disk without a BIOS: IDENTIFY, reads and writes by polling and by IRQ 14, errors, reset
; expect-status: 0
; expect-serial: reset: the signature of an ATA disk: ok\n
; expect-serial: IDENTIFY: a fixed disk: ok\n
; expect-serial: IDENTIFY: it takes sector numbers (LBA): ok\n
; expect-serial: IDENTIFY: 64 sectors, as the image has: ok\n
; expect-serial: polling: sector 0 is the boot sector: ok\n
; expect-serial: polling: and so is cylinder 0, head 0, sector 1: ok\n
; expect-serial: polling: three sectors written: ok\n
; expect-serial: polling: and read again: ok\n
; expect-serial: polling: the sector behind them is untouched: ok\n
; expect-serial: IRQ 14: reading three sectors, an interrupt before each: 3\n
; expect-serial: IRQ 14: the data is the same: ok\n
; expect-serial: IRQ 14: writing three sectors, an interrupt after each: 3\n
; expect-serial: IRQ 14: FLUSH CACHE, an interrupt at its end: 1\n
; expect-serial: IRQ 14: READ MULTIPLE, six sectors in blocks of four: 2\n
; expect-serial: IRQ 14: what was written is there: ok\n
; expect-serial: error: sector 64 does not exist: ok\n
; expect-serial: error: READ MULTIPLE works again after it: ok\n
; expect-serial: nIEN: the interrupt stays away: 0\n
;
; The disk is the image itself, at the first ATA channel: ports 1F0h-1F7h and 3F6h. The protocols are those of ATA/ATAPI-6
; chapter 9: "PIO data-in" (9.5) reads, "PIO data-out" (9.6) writes. Only counts are printed, no times.

        bits 16
        org 0x7C00
%include "toyvmm.inc"

STAGE2_SECTORS  equ 6
IMAGE_SECTORS   equ 64

ATA_DATA        equ 0x1F0       ; 16 bits wide
ATA_ERROR       equ 0x1F1       ; write: features
ATA_COUNT       equ 0x1F2
ATA_LBA_LOW     equ 0x1F3       ; or the sector's number in its track
ATA_LBA_MIDDLE  equ 0x1F4       ; or the cylinder, low byte
ATA_LBA_HIGH    equ 0x1F5
ATA_DEVICE      equ 0x1F6       ; bit 6: LBA, bit 4: slave, bits 3-0: head, or LBA 27-24
ATA_COMMAND     equ 0x1F7       ; read: status, and the interrupt is acknowledged
ATA_CONTROL     equ 0x3F6       ; read: status, and nothing else happens
CONTROL_NIEN    equ 0x02
CONTROL_SRST    equ 0x04
STATUS_BSY      equ 0x80
STATUS_DRQ      equ 0x08
STATUS_ERR      equ 0x01
READ_SECTORS    equ 0x20
WRITE_SECTORS   equ 0x30
READ_MULTIPLE   equ 0xC4
SET_MULTIPLE    equ 0xC6
FLUSH_CACHE     equ 0xE7
IDENTIFY        equ 0xEC
VECTOR_IRQ14    equ 0x76        ; where a BIOS puts it

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7C00
        sti
        cld
        call serial_init16
        mov ax, 0x0200 | STAGE2_SECTORS ; the last service of the BIOS: the rest of this program
        mov cx, 0x0002
        mov dh, 0
        mov bx, stage2
        int 0x13
        jc .failed
        cmp word [stage2_magic], 0xCAFE
        jne .failed
        jmp stage2
.failed:
        mov si, text_load

; SI = what went wrong.
failed: call print16
        mov si, text_failed
        call print16
        call serial_drain16
        mov al, 1
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

%include "console16.inc"

text_load:      db "INT 13h: read", 0
text_failed:    db ": FAILED", 10, 0
text_ok:        db ": ok", 10, 0

        times 510 - ($ - $$) db 0
        dw 0xAA55

; ================================================================================================================ stage 2
; STEP "what", condition: goes on when it holds, else leaves with status 3.
%macro STEP 2
        mov si, %%text
        j%+2 %%ok
        jmp failed
%%text: db %1, 0
%%ok:   call print16
        mov si, text_ok
        call print16
%endmacro

; COUNT "what": prints how many interrupts came since the last time.
%macro COUNT 1
        mov si, %%text
        jmp %%go
%%text: db %1, ": ", 0
%%go:   call print_count
%endmacro

; COMMAND code, first sector, sectors
%macro COMMAND 3
        mov bl, %1
        mov eax, %2
        mov cl, %3
        call command
%endmacro

stage2:
        ; ---- a software reset: SRST high for five microseconds, then low; then the registers tell what answers (9.12)
        mov dx, ATA_CONTROL
        mov al, CONTROL_SRST | CONTROL_NIEN
        out dx, al
        mov cx, 1000                    ; each IN of an ISA port takes a microsecond on a PC
.hold:  in al, 0x80
        loop .hold
        mov al, CONTROL_NIEN
        out dx, al
        call wait_ready
        mov dx, ATA_COUNT
        in al, dx
        mov ah, al
        inc dx
        in al, dx
        mov bx, ax
        inc dx
        in al, dx
        mov ah, al
        inc dx
        in al, dx
        cmp ax, 0x0000                  ; a CD-ROM has EB14h here
        jne .signature
        cmp bx, 0x0101
.signature:
        STEP "reset: the signature of an ATA disk", e

        ; ---- IDENTIFY DEVICE: 256 words about the disk
        COMMAND IDENTIFY, 0, 0
        call wait_ready
        mov di, buffer
        call read_block
        test word [buffer], 0x8080      ; word 0: ATAPI, removable
        STEP "IDENTIFY: a fixed disk", z
        test word [buffer + 49 * 2], 1 << 9
        STEP "IDENTIFY: it takes sector numbers (LBA)", nz
        cmp dword [buffer + 60 * 2], IMAGE_SECTORS
        STEP "IDENTIFY: 64 sectors, as the image has", e

        ; ---- polling
        COMMAND READ_SECTORS, 0, 1
        mov di, buffer
        call read_polled
        mov si, 0x7C00
        call same_sector
        STEP "polling: sector 0 is the boot sector", e

        mov dx, ATA_DEVICE              ; the old way: no bit 6, head 0
        mov al, 0xA0
        out dx, al
        mov dx, ATA_COUNT
        mov al, 1
        out dx, al
        inc dx                          ; sector 1 is the first
        out dx, al
        inc dx
        mov al, 0
        out dx, al
        inc dx
        out dx, al
        mov dx, ATA_COMMAND
        mov al, READ_SECTORS
        out dx, al
        mov di, buffer
        call read_polled
        mov si, 0x7C00
        call same_sector
        STEP "polling: and so is cylinder 0, head 0, sector 1", e

        mov ax, 0x1234
        call make_pattern               ; three sectors at `pattern`
        COMMAND WRITE_SECTORS, 40, 3
        mov si, pattern
        mov cx, 3
.write: call wait_ready                 ; the first block, too, is asked for by DRQ
        test al, STATUS_DRQ
        jz .written
        call write_block
        loop .write
        call wait_ready
        test al, STATUS_ERR | STATUS_DRQ
.written:
        STEP "polling: three sectors written", z

        COMMAND READ_SECTORS, 40, 4
        mov di, buffer
        mov cx, 4
.read:  call read_polled
        loop .read
        call same_pattern
        STEP "polling: and read again", e
        mov di, buffer + 3 * 512
        mov cx, 256
        xor ax, ax
        repe scasw
        STEP "polling: the sector behind them is untouched", e

        ; ---- interrupts: nIEN off, IRQ 14 and the cascade open
        cli
        mov word [VECTOR_IRQ14 * 4], on_disk
        mov word [VECTOR_IRQ14 * 4 + 2], 0
        in al, PIC1 + 1
        and al, ~(1 << 2)
        out PIC1 + 1, al
        in al, PIC2 + 1
        and al, ~(1 << 6)
        out PIC2 + 1, al
        mov dx, ATA_COMMAND
        in al, dx                       ; nothing old is to come
        mov dx, ATA_CONTROL
        mov al, 0
        out dx, al
        sti
        mov word [interrupts], 0

        COMMAND READ_SECTORS, 40, 3
        mov di, buffer
        mov cx, 3
.irq_read:
        call wait_interrupt             ; the status has been read by the handler
        call read_block
        loop .irq_read
        COUNT "IRQ 14: reading three sectors, an interrupt before each"
        call same_pattern
        STEP "IRQ 14: the data is the same", e

        mov ax, 0x4321
        call make_pattern
        COMMAND WRITE_SECTORS, 50, 3
        call wait_ready                 ; no interrupt announces the first block (9.6)
        mov si, pattern
        mov cx, 3
.irq_write:
        call write_block
        call wait_interrupt
        loop .irq_write
        COUNT "IRQ 14: writing three sectors, an interrupt after each"
        COMMAND FLUSH_CACHE, 0, 0
        call wait_interrupt
        COUNT "IRQ 14: FLUSH CACHE, an interrupt at its end"

        COMMAND SET_MULTIPLE, 0, 4
        call wait_interrupt
        mov word [interrupts], 0
        COMMAND READ_MULTIPLE, 50, 6
        mov di, buffer
        call wait_interrupt
        mov cx, 4
.multiple:
        call read_block
        loop .multiple
        call wait_interrupt
        call read_block
        call read_block
        COUNT "IRQ 14: READ MULTIPLE, six sectors in blocks of four"
        call same_pattern
        STEP "IRQ 14: what was written is there", e

        ; ---- an error: the command ends at once, with an interrupt, ERR and a reason
        COMMAND READ_SECTORS, IMAGE_SECTORS, 1
        call wait_interrupt
        test byte [last_status], STATUS_ERR
        jz .error
        mov dx, ATA_ERROR
        in al, dx
        test al, 0x14                   ; IDNF, or ABRT: disks differ
.error: STEP "error: sector 64 does not exist", nz
        COMMAND READ_MULTIPLE, 50, 1
        call wait_interrupt
        mov di, buffer
        call read_block
        mov si, pattern
        call same_sector
        STEP "error: READ MULTIPLE works again after it", e

        mov dx, ATA_CONTROL
        mov al, CONTROL_NIEN
        out dx, al
        mov word [interrupts], 0
        COMMAND FLUSH_CACHE, 0, 0
        call wait_ready
        nop
        COUNT "nIEN: the interrupt stays away"

        call serial_drain16
        mov dx, POWER_OFF
        mov ax, POWER_OFF_VALUE
        out dx, ax
        mov dx, POWER_OFF_BOCHS
        out dx, ax
.hang:  hlt
        jmp .hang

; BL = command, EAX = first sector, CL = sectors: to the master.
command:
        push ax
        call wait_ready
        pop ax
        mov dx, ATA_COUNT
        xchg al, cl
        out dx, al
        xchg al, cl
        inc dx
        out dx, al                      ; LBA 7-0
        shr eax, 8
        inc dx
        out dx, al                      ; 15-8
        shr eax, 8
        inc dx
        out dx, al                      ; 23-16
        shr eax, 8
        and al, 0x0F
        or al, 0xE0                     ; LBA, master, and two bits that once had to be one
        inc dx
        out dx, al
        inc dx
        mov al, bl
        out dx, al
        ret

; AL = status, when BSY has gone. The alternate status: an interrupt that waits is not taken away. DX changes.
wait_ready:
        mov dx, ATA_CONTROL
        in al, dx                       ; four reads: the status may be 400 ns late
        in al, dx
        in al, dx
        in al, dx
.busy:  in al, dx
        test al, STATUS_BSY
        jnz .busy
        ret

; Waits for the next interrupt, and takes it.
wait_interrupt:
        cli
        cmp byte [arrived], 0
        jne .came
        sti                             ; takes effect after the next instruction: none slips in between
        hlt
        jmp wait_interrupt
.came:  dec byte [arrived]
        sti
        ret

; ES:DI = where 256 words go; DI moves on.
read_polled:
        call wait_ready
        test al, STATUS_DRQ
        jz failed_read
read_block:
        push cx
        mov dx, ATA_DATA
        mov cx, 256
        rep insw
        pop cx
        ret
failed_read:
        mov si, text_no_data
        jmp failed

; DS:SI = 256 words for the disk; SI moves on.
write_block:
        push cx
        mov dx, ATA_DATA
        mov cx, 256
        rep outsw
        pop cx
        ret

; Fills `pattern`, three sectors, beginning with AX (a linear congruential generator).
make_pattern:
        mov di, pattern
        mov cx, 3 * 256
.next:  stosw
        imul ax, ax, 25173
        add ax, 13849
        loop .next
        ret

; ZF: the three sectors at `buffer` are those at `pattern`.
same_pattern:
        mov cx, 3 * 256
        mov si, pattern
        jmp compare

; ZF: the sector at `buffer` is the one at SI.
same_sector:
        mov cx, 256
compare:
        mov di, buffer
        repe cmpsw
        ret

; SI = text. Prints it and the count of interrupts, below ten, which begins anew.
print_count:
        call print16
        mov al, [interrupts]
        add al, '0'
        call print_char16
        mov al, 10
        call print_char16
        mov word [interrupts], 0
        ret

; Reading the status register is what makes the disk take its interrupt back.
on_disk:
        push ax
        push dx
        mov dx, ATA_COMMAND
        in al, dx
        mov [cs:last_status], al
        inc byte [cs:interrupts]
        inc byte [cs:arrived]
        mov al, PIC_EOI
        out PIC2, al
        out PIC1, al
        pop dx
        pop ax
        iret

text_no_data:   db "the disk has no data", 0
interrupts:     dw 0
arrived:        db 0
last_status:    db 0
stage2_magic:   dw 0xCAFE

        times (1 + STAGE2_SECTORS) * 512 - ($ - $$) db 0
        times IMAGE_SECTORS * 512 - ($ - $$) db 0

buffer          equ 0xA000
pattern         equ 0xB000
